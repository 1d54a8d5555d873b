//! Runs of LeNet-5 that go wrong: damaged data, Ctrl-C, a full disk, a process that is killed while it saves. All share one
//! compiled program.

use std::path::Path;

use super::{folder, refused, repository};

/// Writes a recipe for LeNet-5, `r.yaml`, whose `train` is this.
fn write_recipe(home: &Path, train: &str, more: &str) {
    let text = format!("spec: lenet5\ndata:\n  train: {train}\nepochs: 2\n{more}");
    std::fs::write(home.join("r.yaml"), text).expect("a file");
}

/// The digits that ship, so many of them.
fn digits(count: usize) -> String {
    let folder = repository().join("data/mnist").display().to_string();
    format!(
        "{{ images: {folder}/t10k-images-idx3-ubyte.gz, labels: {folder}/t10k-labels-idx1-ubyte.gz, part: {{ first: {count} }} }}"
    )
}

#[test]
fn damaged_data_is_named() {
    let home = folder();
    let write = |name: &str, bytes: &[u8]| {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("a file");
    };
    let complaint = |train: &str, more: &str| {
        write_recipe(home.path(), train, more);
        refused(home.path(), 1, &["train", "r.yaml"])
    };

    let photo = std::fs::read(repository().join("data/photos/dog.jpg")).expect("a photo");
    let (whole, cut) = (&photo[..], &photo[..photo.len() / 2]);
    for (class, bytes) in (0..10).zip([whole, cut].into_iter().cycle()) {
        write(&format!("photos/{class}/dog.jpg"), bytes);
    }
    let error = complaint("{ folders: photos }", "");
    assert!(error.contains("dog.jpg: damaged JPEG: it is cut off"), "{error}");

    // Two pictures and three labels.
    let pixels = vec![7; 2 * 28 * 28];
    write("images", &[&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28], &pixels[..]].concat());
    write("labels", &[0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3]);
    let error = complaint("{ images: images, labels: labels }", "");
    assert!(error.contains("labels: 3 labels, but ") && error.contains(" has 2 images"), "{error}");

    write("boxes/dog.jpg", whole);
    let object = "<object><name>dog</name>\n<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>99999</xmax><ymax>9</ymax></bndbox></object>";
    let size = "<size><width>768</width><height>576</height><depth>3</depth></size>";
    let annotation = format!("<annotation>\n<filename>dog.jpg</filename>\n{size}\n{object}\n</annotation>");
    write("boxes/dog.xml", annotation.as_bytes());
    let error = complaint("{ voc: { images: boxes, annotations: boxes } }", "");
    assert!(
        error.contains("dog.xml: line 5: the box from (0, 0) to (99999, 9) lies outside of its picture"),
        "{error}"
    );

    // Weights of the right shapes, one of them no number.
    let stored = repository().join("tests/parity/lenet5.weights.safetensors");
    let mut weights = std::fs::read(stored).expect("weights");
    let last = weights.len() - 4;
    weights[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    write("nan.safetensors", &weights);
    let error = complaint(&digits(64), "weights: nan.safetensors\n");
    assert!(error.contains("nan.safetensors: ") && error.contains("NaN"), "{error}");
    let digit = repository().join("data/digit.png").display().to_string();
    for asked in [&["eval", "r.yaml"][..], &["predict", "r.yaml", &digit]] {
        let error = refused(home.path(), 1, &[asked, &["--weights", "nan.safetensors"]].concat());
        assert!(error.contains("nan.safetensors: ") && error.contains("NaN"), "{asked:?}: {error}");
    }
}

#[cfg(unix)]
mod processes {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::CommandExt as _;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Output, Stdio};
    use std::time::{Duration, Instant, SystemTime};

    use cnnc_tests::command;

    use super::super::{folder, said};
    use super::{digits, write_recipe};

    const TRAIN: [&str; 2] = ["train", "r.yaml"];
    const RESUME: [&str; 3] = ["train", "r.yaml", "--resume"];

    /// Where a run in this folder is saved.
    fn last(home: &Path) -> PathBuf {
        home.join("runs/r/last.safetensors")
    }

    /// What a run ends with.
    fn result(home: &Path) -> [Vec<u8>; 2] {
        ["weights.safetensors", "epochs.csv"].map(|name| std::fs::read(home.join("runs/r").join(name)).expect(name))
    }

    /// When the checkpoint was written; `None` where there is none.
    fn saved_at(home: &Path) -> Option<SystemTime> {
        std::fs::metadata(last(home)).and_then(|about| about.modified()).ok()
    }

    /// A run in a group of processes of its own, as a shell starts it.
    fn start(home: &Path, arguments: &[&str]) -> Child {
        let mut run = command();
        run.args(arguments).current_dir(home).process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        run.spawn().expect("it starts")
    }

    /// Sends a signal to all processes of a run, as Ctrl-C does, and waits for its end.
    fn end(run: Child, signal: &str) -> Output {
        let kill = Command::new("sh").arg("-c").arg(format!("kill -{signal} -{}", run.id())).status().expect("a shell");
        assert!(kill.success(), "the run goes on until it is ended");
        run.wait_with_output().expect("it ends")
    }

    /// Waits until a run has saved anew.
    fn wait_for_save(run: &mut Child, home: &Path, before: Option<SystemTime>) {
        let start = Instant::now();
        while saved_at(home) == before {
            let ended = run.try_wait().expect("its state");
            assert!(ended.is_none() && start.elapsed() < Duration::from_secs(300), "it saves: {ended:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A folder with a recipe that saves after so many steps, and one in which it was followed without disturbance.
    fn twice(images: usize, every: usize) -> (tempfile::TempDir, tempfile::TempDir) {
        let homes = (folder(), folder());
        for home in [&homes.0, &homes.1] {
            write_recipe(home.path(), &digits(images), &format!("save_every: {every}\noptimizer: {{ adam: {{}} }}\n"));
        }
        said(homes.1.path(), &TRAIN);
        homes
    }

    #[test]
    fn ctrl_c_and_a_full_disk_cost_nothing() {
        let (home, undisturbed) = twice(6000, 10);
        let home = home.path();
        let mut run = start(home, &TRAIN);
        wait_for_save(&mut run, home, None);
        let output = end(run, "INT");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("interrupted; the run is saved in "), "{text}");
        assert!(!home.join("runs/r/weights.safetensors").exists(), "it was ended in the middle");

        #[cfg(target_os = "linux")]
        full_disk(home);
        let text = said(home, &RESUME);
        assert!(text.contains("going on after "), "{text}");
        assert_eq!(result(home), result(undisturbed.path()));
    }

    /// Goes on where no file may get as large as a checkpoint: a write fails as on a full disk.
    #[cfg(target_os = "linux")]
    fn full_disk(home: &Path) {
        let before = std::fs::read(last(home)).expect("a checkpoint");
        let cnnc = command().get_program().to_owned();
        let limited = "trap '' XFSZ; ulimit -f 200; exec \"$0\" train r.yaml --resume";
        let output = Command::new("sh").arg("-c").arg(limited).arg(cnnc).current_dir(home).output().expect("a shell");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("last.safetensors: File too large"), "{error}");
        assert_eq!(std::fs::read(last(home)).expect("the checkpoint"), before);
        assert_eq!(temporary(home), [""; 0]);
    }

    /// As with `| head -1`: who has seen enough ends the run, which is saved.
    #[test]
    fn nobody_has_to_follow_a_run() {
        let home = folder();
        write_recipe(home.path(), &digits(3000), "");
        let mut run = start(home.path(), &TRAIN);
        let lines = BufReader::new(run.stdout.take().expect("its output")).lines();
        let first = lines.map(|line| line.expect("a line")).find(|line| line.starts_with("epoch")).expect("an epoch");
        let output = run.wait_with_output().expect("it ends");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !error.contains("error") && !error.contains("panicked"), "{first} {error}");
        assert!(saved_at(home.path()).is_some(), "what was learnt is kept");
    }

    #[test]
    fn a_killed_run_keeps_a_whole_checkpoint() {
        let (home, undisturbed) = twice(3000, 1);
        let home = home.path();
        for round in 0..8 {
            let before = saved_at(home);
            let mut run = start(home, if round == 0 { &TRAIN } else { &RESUME });
            wait_for_save(&mut run, home, before);
            // Now it is saving most of the time.
            std::thread::sleep(Duration::from_micros(700 * round));
            end(run, "KILL");
        }
        said(home, &RESUME);
        assert_eq!(result(home), result(undisturbed.path()));
        assert_eq!(temporary(home), [""; 0], "what killed processes left is removed");
    }

    /// Files of a run that were not finished.
    fn temporary(home: &Path) -> Vec<String> {
        let files = std::fs::read_dir(home.join("runs/r")).expect("a folder").flatten();
        files
            .map(|file| file.file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".tmp"))
            .collect()
    }
}
