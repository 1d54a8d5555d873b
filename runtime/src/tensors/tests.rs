use super::*;
use crate::testing::Folder;

fn example() -> Vec<u8> {
    let folder = Folder::new("tensors");
    let path = folder.path("a.safetensors");
    let labels = Tensor { name: "label".to_string(), shape: vec![3], values: Values::Classes(&[2, 0, 1]) };
    let x = Tensor::new("x", &[2, 2], &[1.0, -2.5, f32::MAX, 1e-40]);
    write(&path, &[x, labels], Some("about")).expect("written");
    std::fs::read(&path).expect("the file")
}

#[test]
fn tensors_come_back_as_they_went() {
    let bytes = example();
    assert_eq!(bytes, example());
    let mut file = TensorFile::from_bytes(&bytes).expect("a file");
    assert_eq!(file.metadata(), Some("about"));
    let x = file.entry("x").expect("x").clone();
    let mut values = [0.0; 4];
    file.floats(&x, &mut values).expect("floats");
    assert_eq!(values, [1.0, -2.5, f32::MAX, 1e-40]);
    let label = file.entry("label").expect("label").clone();
    assert_eq!(file.classes(&label, 3, None).expect("labels"), [2, 0, 1]);
    assert_eq!((file.entries().len(), x.len(), &*x.shape), (2, 4, &[2, 2][..]));
}

#[test]
fn long_tensors_are_read_in_parts() {
    let folder = Folder::new("long");
    let path = folder.path("a.safetensors");
    let x: Vec<f32> = (0..100_001).map(|i| i as f32).collect();
    let labels: Vec<u32> = (0..100_001).collect();
    let label = Tensor { name: "label".to_string(), shape: vec![labels.len()], values: Values::Classes(&labels) };
    write(&path, &[label, Tensor::new("x", &[x.len()], &x)], None).expect("written");
    let mut file = TensorFile::open(&path).expect("a file");
    let mut values = vec![0.0; x.len()];
    let entry = file.entry("x").expect("x").clone();
    file.floats(&entry, &mut values).expect("floats");
    assert_eq!(values, x);
    let entry = file.entry("label").expect("label").clone();
    assert_eq!(file.classes(&entry, usize::MAX, None).expect("labels"), labels);
}

#[test]
fn wrong_types_and_labels_are_named() {
    let bytes = example();
    let mut file = TensorFile::from_bytes(&bytes).expect("a file");
    let (x, label) = (file.entry("x").expect("x").clone(), file.entry("label").expect("label").clone());
    let text = |error: FileError| error.to_string();
    assert!(text(file.floats(&label, &mut [0.0; 3]).expect_err("integers")).contains("`label` is I64, needed is F32"));
    assert!(text(file.floats(&x, &mut [0.0; 3]).expect_err("length")).contains("has 4 elements, needed are 3"));
    assert!(text(file.classes(&x, 3, None).expect_err("floats")).contains("`x` is F32, needed are class labels"));
    let error = text(file.classes(&label, 2, None).expect_err("a class too many"));
    assert!(error.contains("`label` number 0 is class 2, but there are 2 classes (0 to 1)"), "{error}");
}

/// A file of the header and so many bytes.
fn with_header(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(vec![0xff; data]);
    bytes
}

#[test]
fn labels_of_all_integer_types() {
    for (dtype, width) in [("U8", 1), ("I8", 1), ("U16", 2), ("I16", 2), ("U32", 4), ("I32", 4), ("U64", 8), ("I64", 8)]
    {
        let header = std::format!(r#"{{"y":{{"dtype":"{dtype}","shape":[1],"data_offsets":[0,{width}]}}}}"#);
        let mut bytes = with_header(&header, width);
        let mut file = TensorFile::from_bytes(&bytes).expect("a file");
        let entry = file.entry("y").expect("y").clone();
        let error = file.classes(&entry, 10, None).expect_err("out of range").to_string();
        assert!(!dtype.starts_with('I') || error.contains("is class -1,"), "{error}");
        drop(file);
        let start = bytes.len() - width;
        bytes[start..].fill(0);
        bytes[start] = 7;
        let mut file = TensorFile::from_bytes(&bytes).expect("a file");
        assert_eq!(file.classes(&entry, 10, None).expect("a label"), [7]);
    }
}

#[test]
fn hostile_files_are_refused() {
    let entry = |shape: &str, offsets: &str| {
        std::format!(r#"{{"x":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    let cases = [
        (vec![], "too short"),
        (vec![1; 7], "too short"),
        (vec![0xff; 100], "no safetensors file"),
        (b"PK\x03\x04 and so on, a zip archive".to_vec(), "no safetensors file"),
        (1000_u64.to_le_bytes().to_vec(), "truncated"),
        (with_header("not json", 0), "damaged"),
        (with_header("{\"x\":3}", 0), "damaged"),
        (with_header("\u{fffd}{}", 0), "damaged"),
        (with_header(&entry("[2]", "[0,8]"), 7), "truncated"),
        (with_header(&entry("[2]", "[0,8]"), 9), "behind the tensors"),
        (with_header(&entry("[2]", "[0,4]"), 4), "damaged"),
        (with_header(&entry("[2]", "[8,0]"), 8), "damaged"),
        (with_header(&entry("[2]", "[0,18446744073709551615]"), 8), "damaged"),
        (with_header(&entry("[9999999999,9999999999,9999999999]", "[0,8]"), 8), "damaged"),
        (with_header(&entry("[1000000000000]", "[0,4000000000000]"), 8), "truncated"),
        (with_header(&entry("[2]", "[0,8]").replace("F32", "Q7"), 8), "damaged"),
        (with_header(&"[".repeat(10_000), 0), "damaged"),
    ];
    for (bytes, expected) in cases {
        let error = TensorFile::from_bytes(&bytes).expect_err(expected).to_string();
        assert!(error.contains(expected), "`{error}` should contain `{expected}`");
    }
}

proptest::proptest! {
    #[test]
    fn any_damage_gives_an_error_or_a_file(at in 0_usize..400, byte: u8, cut in 0_usize..400) {
        let mut bytes = example();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(cut.max(at));
        if let Ok(mut file) = TensorFile::from_bytes(&bytes) {
            for entry in file.entries().to_vec() {
                let _ = file.floats(&entry, &mut [0.0; 4]);
                let _ = file.classes(&entry, 3, None);
            }
        }
    }
}
