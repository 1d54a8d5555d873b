//! The table of the networks that ship, `docs/networks.md`, says what `cnnc summary` says.

use std::collections::BTreeMap;

use cnnc_tests::{command, repository, specs};

/// Parameters and multiply-adds.
type Counts = (u64, u64);

/// The rows of the table: `| spec | source | parameters | multiply-adds | published |`.
fn table() -> BTreeMap<String, Counts> {
    let text = std::fs::read_to_string(repository().join("docs/networks.md")).expect("the table");
    let number = |cell: &str| cell.trim().replace(',', "").parse().expect("a number");
    text.lines()
        .take_while(|line| !line.starts_with("## Beside PyTorch"))
        .filter(|line| line.starts_with("| `") && line.split('|').count() == 7)
        .map(|line| {
            let cells: Vec<&str> = line.split('|').collect();
            (cells[1].trim().trim_matches('`').to_owned(), (number(cells[3]), number(cells[4])))
        })
        .collect()
}

fn summary(name: &str) -> Counts {
    let output = command().args(["summary", "--json", name]).output().expect("it starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let total = |what: &str| json["totals"][what].as_u64().expect("a count");
    (total("params"), total("macs"))
}

#[test]
fn the_table_has_all_networks_and_their_counts() {
    let names = cnnc::loader::networks(&specs()).into_iter().map(|network| network.name);
    let found: BTreeMap<String, Counts> = names.map(|name| (name.clone(), summary(&name))).collect();
    let table = table();
    let wrong: Vec<_> = found.iter().filter(|(name, counts)| table.get(*name) != Some(counts)).collect();
    assert!(wrong.is_empty(), "not in the table like this: {wrong:#?}");
    let gone: Vec<_> = table.keys().filter(|name| !found.contains_key(*name)).collect();
    assert!(gone.is_empty(), "in the table, but not among the specs: {gone:?}");
}
