//! The table of the networks that ship, `docs/networks.md`, says what `cnnc summary` says.

use std::collections::BTreeMap;

use cnnc::loader::networks;
use cnnc_tests::{command, repository, specs};

/// Parameters and multiply-adds.
type Counts = (u64, u64);

/// The rows of the table: `| spec | source | parameters | multiply-adds | published |`.
fn rows() -> Vec<[String; 5]> {
    let text = std::fs::read_to_string(repository().join("docs/networks.md")).expect("the table");
    text.lines()
        .take_while(|line| !line.starts_with("## Beside PyTorch"))
        .filter(|line| line.starts_with("| `") && line.split('|').count() == 7)
        .map(|line| {
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`').to_owned());
            std::array::from_fn(|_| cells.next().expect("five cells"))
        })
        .collect()
}

/// A number with commas.
fn number(cell: &str) -> u64 {
    cell.replace(',', "").parse().expect("a number")
}

fn table() -> BTreeMap<String, Counts> {
    rows().into_iter().map(|[name, _, params, macs, _]| (name, (number(&params), number(&macs)))).collect()
}

/// Parameters, those of training alone, and multiply-adds.
fn totals(name: &str) -> [u64; 3] {
    let output = command().args(["summary", "--json", name]).output().expect("it starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    ["params", "training_only_params", "macs"].map(|what| json["totals"][what].as_u64().expect("a count"))
}

fn summary(name: &str) -> Counts {
    let [params, _, macs] = totals(name);
    (params, macs)
}

#[test]
fn the_table_has_all_networks_and_their_counts() {
    let zoo = networks(&specs().join("zoo")).into_iter().map(|network| format!("specs/zoo/{}.net", network.name));
    let names = networks(&specs()).into_iter().map(|network| network.name).chain(zoo);
    let found: BTreeMap<String, Counts> = names.map(|name| (name.clone(), summary(&name))).collect();
    let table = table();
    let wrong: Vec<_> = found.iter().filter(|(name, counts)| table.get(*name) != Some(counts)).collect();
    assert!(wrong.is_empty(), "not in the table like this: {wrong:#?}");
    let gone: Vec<_> = table.keys().filter(|name| !found.contains_key(*name)).collect();
    assert!(gone.is_empty(), "in the table, but not among the specs: {gone:?}");
}

#[test]
fn counts_of_published_networks_are_theirs() {
    let counted = |published: &String| published.contains("torchvision") || published.contains("counted");
    let rows: Vec<_> = rows().into_iter().filter(|[.., published]| counted(published)).collect();
    assert!(rows.len() > 20, "only {} rows", rows.len());
    for [name, .., published] in rows {
        let [params, training, macs] = totals(&name);
        let (theirs, rest) =
            published.split_once(|c: char| c != ',' && !c.is_ascii_digit()).expect("more than a number");
        let ours = if rest.contains("without the heads") { params - training } else { params };
        assert_eq!(ours, number(theirs.trim_end_matches(',')), "{name}: parameters, published {published}");
        if let Some((giga, _)) = rest.split_once(" G ") {
            let giga = giga.rsplit(' ').next().expect("a number before its unit");
            let decimals = giga.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            assert_eq!(
                format!("{:.decimals$}", macs as f64 / 1e9),
                giga,
                "{name}: multiply-adds, published {published}"
            );
        }
    }
}
