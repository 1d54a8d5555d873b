use super::*;

fn formatted(text: &str) -> String {
    format("text", text).unwrap_or_else(|(sources, d)| panic!("{}", crate::diagnostics::render(&sources, &d, false)))
}

#[test]
fn docs_stay_in_front_of_every_item() {
    let text = "/// Where blocks are.\nuse \"blocks/vgg.net\"\n\n/// How wide.\nconst width = 8\n\n/// Small.\nnet A {\n    input x: [width]\n    output y = relu(x)\n}\n";
    let once = formatted(text);
    for docs in ["/// Where blocks are.\nuse", "/// How wide.\nconst", "/// Small.\nnet"] {
        assert!(once.contains(docs), "{once}");
    }
    assert_eq!(formatted(&once), once);
}

#[test]
fn one_style() {
    let text = "// first\n\n\n/// Docs.\nnet   A( n=3 ){ // why\n  input x:[1,28]\n\n\n  y=x|>conv( 6,5,pad:2 ) as   c1\n     |> relu // end\n\n  // before\n  output z=(y+1)*-2\n}";
    let good = "// first\n\n/// Docs.\nnet A(n = 3) {    // why\n    input x: [1, 28]\n\n    y = x |> conv(6, 5, pad: 2) as c1\n        |> relu    // end\n\n    // before\n    output z = (y + 1) * -2\n}\n";
    assert_eq!(formatted(text), good);
    assert_eq!(formatted(good), good);
}

#[test]
fn branches_and_loops() {
    let good = "block b(x, k) {\n    if k == 1 {\n        y = x\n    } else if k == 2 {\n        y = -x\n    } else {\n        y = x + x    // twice\n    }\n    for (i, w) in [(1, 2), (3, 4)] {\n        y = y |> conv(w, 1) as \"c{i}\"\n    }\n    return if k > 2 { y } else { x }\n}\n";
    assert_eq!(formatted(good), good);
}

#[test]
fn long_lines_are_broken() {
    let stage = " |> conv(16, 3, pad: 1)".repeat(6);
    let once = formatted(&format!("net A {{ y = x{stage} }}"));
    assert!(once.lines().all(|l| l.len() <= WIDTH), "{once}");
    assert_eq!(formatted(&once), once);
}

/// What was wrong in a file that random texts found: nothing of it but the brackets has a place to break.
#[test]
fn brackets_are_broken_where_nothing_in_them_is() {
    let name = "a_name_of_some_length";
    let text = format!(
        "block b() {{\n x = x |> x((x |> x((x |> x({name}: (shared {name}() as {name}))))))\n y = x |> x(\n(\n0.5\n))\n}}"
    );
    let once = formatted(&text);
    assert!(once.lines().all(|l| l.len() <= WIDTH), "{once}");
    assert!(once.contains(&format!(": (\n{}shared {name}() as {name}\n", " ".repeat(32))), "{once}");
    assert!(once.contains("    y = x |> x((0.5))\n"), "{once}");
    assert_eq!(formatted(&once), once);
}

#[test]
fn docs_behind_a_value_are_no_division() {
    let good = "block b(x) {\n    y = [1, 2]\n    /// The same.\n    z = y\n    return z\n}\n";
    assert_eq!(formatted(good), good);
}
