//! Photos in pieces, and networks that tell whether two are the same.

use std::path::Path;

use super::{folder, refused, repository, said};

/// A network that tells two photos apart by their pieces, and one that tells whether two pieces are of one photo.
const PHOTOS: &str = "block tower(x, dim) {
    return x |> conv(8, 5, stride: 2, pad: 2) |> relu |> conv(16, 3, stride: 2, pad: 1) |> relu |> global_avg_pool |> flatten |> dense(dim)
}

net Which {
    input image: [3, 24, 24]
    logits = image |> tower(2)
    output logits
    target label: class(2)
    loss cross_entropy(logits, label)
}

net Same {
    input left, right: [3, 24, 24]
    embed = shared tower(8) as tower
    a = embed(left)
    b = embed(right)
    output embedding = a
    target same: [1]
    loss binary_cross_entropy_with_logits(abs(a - b) |> dense(1) as head, same)
}
";

/// Pieces of two photos as files, in a folder for each photo of a folder for what is learnt from and one for what is held out.
fn pieces(home: &Path) {
    for name in ["coffee.png", "chelsea.png"] {
        let photo = cnnc_runtime::data::Raster::read(&repository().join("data/photos").join(name)).expect("a photo");
        for number in 0..60 {
            let (left, top) = (number * 37 % (photo.width - 40), number * 53 % (photo.height - 40));
            let row = |y: usize| photo.bytes[(y * photo.width + left) * 3..][..40 * 3].to_vec();
            let bytes = (top..top + 40).flat_map(row).collect();
            let folder = home.join(if number < 40 { "learnt" } else { "held_out" }).join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            let piece = cnnc_runtime::data::Raster { width: 40, height: 40, channels: 3, bytes };
            piece.write_png(&folder.join(format!("{number}.png"))).expect("a picture");
        }
    }
}

#[test]
fn photos_are_seen_in_pieces_and_verifiers_are_drawn() {
    let home = folder();
    let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).expect("a file");
    file("photos.net", PHOTOS);
    pieces(home.path());
    for net in ["Which", "Same"] {
        let recipe = format!(
            "spec: photos.net\nnet: {net}\ndata:\n  train: {{ folders: learnt }}\n  test: {{ folders: held_out }}\n\
             picture: {{ mean: [0.5], std: [0.25] }}\nbatch: 8\nepochs: 12\noptimizer: {{ adam: {{ learning_rate: 0.003 }} }}\n"
        );
        file(&format!("{net}.yaml"), &recipe);
    }

    said(home.path(), &["train", "Which.yaml"]);
    let figure = |text: &str, words: &str| -> f64 {
        let rest = text.split_once(words).map_or("", |(_, rest)| rest);
        rest.split([' ', '\n']).next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    let eval = |more: &[&str]| said(home.path(), &[&["eval", "Which.yaml"], more].concat());
    let crops = ["1", "5", "10"].map(|crops| eval(&["--crops", crops]));
    assert!(crops[1].starts_with("mean of 5 pieces of each picture\n"), "{}", crops[1]);
    assert!(crops[2].starts_with("mean of 10 pieces of each picture\n"), "{}", crops[2]);
    for text in &crops {
        assert!(figure(text, "accuracy: ") > 70.0 && !text.contains("ROC"), "{text}");
    }
    assert_ne!(figure(&crops[1], "loss: "), figure(&crops[2], "loss: "), "mirror images are other pictures");

    let learnt = said(home.path(), &["train", "Same.yaml"]);
    let text = said(home.path(), &["eval", "Same.yaml"]);
    assert!(figure(&text, "embeddings: AUC: ") > 60.0, "{learnt}{text}");
    let rate = figure(&text, ", equal error rate ");
    assert!(
        (0.0..50.0).contains(&rate) && text.contains("\n  best threshold: -") && text.contains(" % right\n"),
        "{text}"
    );
    assert!(text.ends_with("\nROC curve: runs/Same/roc.svg\n"), "{text}");
    let drawn = std::fs::read_to_string(home.path().join("runs/Same/roc.svg")).expect("a picture");
    assert!(drawn.contains("Same: 40 images") && drawn.contains("embeddings (AUC 0."), "{drawn}");
    let report = std::fs::read_to_string(home.path().join("runs/Same/report.html")).expect("a page");
    assert!(report.contains("Same or different, last epoch"), "{report}");
    // Only JSON is printed where it is asked for.
    let json: serde_json::Value =
        serde_json::from_str(&said(home.path(), &["eval", "Same.yaml", "--json"])).expect("JSON");
    let embeddings = |key: &str| json["embeddings"][key].as_f64().unwrap_or_else(|| panic!("no {key}: {json}"));
    assert!((100.0 * embeddings("auc") - figure(&text, "AUC: ")).abs() < 0.01);
    assert!((100.0 * embeddings("equal_error_rate") - rate).abs() < 0.01);
    assert!(
        embeddings("best_threshold") <= 0.0
            && embeddings("best_accuracy") >= 1.0 - embeddings("equal_error_rate") - 1e-9
    );
    // The curve belongs to weights that are kept aside with it.
    said(home.path(), &["train", "Same.yaml", "--epochs", "1"]);
    assert!(
        home.path().join("runs/Same/earlier-1/roc.svg").is_file() && !home.path().join("runs/Same/roc.svg").exists()
    );
    let both = refused(home.path(), 1, &["eval", "Same.yaml", "--crops", "10"]);
    assert!(both.contains("no output of Same has the shape of a target; embeddings are not averaged"), "{both}");
}
