//! What the page on recipes says of them.

use super::super::*;

const PAGE: &str = include_str!("../../../../../docs/recipes.md");
/// What every recipe needs.
const LEAST: &str = "spec: lenet5\ndata: { train: { images: a, labels: b } }\nepochs: 1\n";

/// The line and the text of each example.
fn examples() -> Vec<(usize, String)> {
    let mut examples = Vec::new();
    let mut lines = PAGE.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line == "```yaml" {
            let text: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            examples.push((number + 2, text.join("\n") + "\n"));
        }
    }
    examples
}

/// Reads a recipe, and says what is wrong with it.
fn read(text: &str) -> Result<Written, String> {
    let page = Page::new(Path::new("recipe.yaml"), text);
    let written: Written = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
    page.check(&written).map_err(|wrong| format!("{wrong:?}"))?;
    Ok(written)
}

/// Whether a recipe has a key.
fn has(recipe: &str, key: &str) -> bool {
    recipe.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
}

#[test]
fn examples_are_recipes() {
    let examples = examples();
    assert!(examples.len() >= 6, "only {} examples", examples.len());
    for (line, text) in examples {
        // Some examples are of one key.
        let least = LEAST.lines().filter(|line| !has(&text, line.split(':').next().unwrap_or_default()));
        let whole = least.map(|line| format!("{line}\n")).collect::<String>() + &text;
        read(&whole).unwrap_or_else(|wrong| panic!("docs/recipes.md:{line}: {wrong}"));
    }
}

#[test]
fn every_key_is_in_the_example_and_in_the_table() {
    let Err(unknown) = read(&format!("{LEAST}no_key: 1\n")) else { panic!("a key that no recipe has") };
    let keys: Vec<&str> = unknown.rsplit_once("one of ").expect("a list").1.split('`').skip(1).step_by(2).collect();
    assert!(keys.contains(&"spec") && keys.contains(&"show") && keys.len() > 25, "{keys:?}");
    let every = examples().remove(0).1.replace("\n# ", "\n");
    let table = PAGE.split("\n## Keys\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the table");
    for key in keys {
        assert!(has(&every, key), "the example lacks `{key}`");
        assert!(table.contains(&format!("\n| `{key}` |")), "the table lacks `{key}`");
    }
}
