//! Mistakes point at what is wrong, not at what has the same name.

use super::super::*;
use crate::diagnostics::Span;

/// Keys of the recipe, and lists, in all ways to write them; many names occur elsewhere before.
const TEXT: &str = r##"spec: lenet5
set: { groups: 2, freeze: 1, batch: 9 }
data: { train: { images: a, labels: b } } # freeze: [no]
freeze:   # weights: that stay
  - conv1 # the first one
  - "*.bias, # and all"   # but these
  - {a: [b, c],
     d: e}
epochs: 1
groups: [ {match: "a]b", decay: 1}, # learning_rate: 3, and more
  { learning_rate: 1, match: 'don''t, [' }, {match: c, learning_rate: -1} ]
augment:
- rotate: 1
- rotate: 400
batch: 0
"##;

fn text(span: Span) -> &'static str {
    &TEXT[span.start as usize..span.end as usize]
}

#[test]
fn keys_are_those_of_the_recipe() {
    let page = Page::new(Path::new("r.yaml"), TEXT);
    for key in ["set", "groups", "freeze", "batch"] {
        let top = page.top(key);
        assert_eq!((text(top), &TEXT[..top.start as usize][top.start as usize - 1..]), (key, "\n"));
    }
    assert_eq!(text(page.section("augment")), ":\n- rotate: 1\n- rotate: 400");
    assert_eq!(page.top("clip"), page.yaml.span(0, 0));
    let braces = Page::new(Path::new("r.yaml"), "{ spec: a, freeze: [b, c] }");
    let Span { start, end, .. } = braces.item("freeze", 1);
    assert_eq!(&braces.yaml.text[start as usize..end as usize], "c");
}

#[test]
fn items_are_found_by_number() {
    let page = Page::new(Path::new("r.yaml"), TEXT);
    let items = |key: &str| (0..4).map(|number| text(page.item(key, number))).collect::<Vec<_>>();
    assert_eq!(items("freeze"), ["conv1", "\"*.bias, # and all\"", "{a: [b, c],\n     d: e}", "freeze"]);
    let groups = [
        "{match: \"a]b\", decay: 1}",
        "{ learning_rate: 1, match: 'don''t, [' }",
        "{match: c, learning_rate: -1}",
        "groups",
    ];
    assert_eq!(items("groups"), groups);
    assert_eq!(items("augment"), ["rotate: 1", "rotate: 400", "augment", "augment"]);
    assert_eq!(items("epochs"), ["epochs"; 4]);
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let text = TEXT.replace("  - {a: [b, c],\n     d: e}\n", "");
    let page = Page::new(Path::new("r.yaml"), &text);
    let written: Written = serde_yaml::from_str(&text).expect("a recipe");
    let Err(Failed::Input(wrong)) = page.check(&written) else { panic!("a mistake in three places") };
    for place in [":13:8", ":9:71", ":12:11"] {
        assert!(wrong.contains(&format!("r.yaml{place}\n")), "{place}:\n{wrong}");
    }
}
