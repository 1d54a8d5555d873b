//! A batch is answered as its images are alone, whichever threads do which steps for which images.

use cnnc_runtime::{Network, Options};
use cnnc_tests::counting::{Counting, allocations};

cnnc_macros::net! {
    /// Large values and few weights in front, which threads do image by image: values with a shortcut, a concatenation, two
    /// that are kept, one of them an output. Behind them, weights that a batch shares.
    net Front {
        input image: [3, 96, 96]
        wide = image |> conv(16, 3, pad: 1) |> batch_norm |> relu
        same = wide |> conv(16, 3, pad: 1) |> relu
        both = concat(wide + same, same |> conv(16, 1)) |> max_pool(4)
        output map = both |> conv(16, 3, stride: 2, pad: 1) |> sigmoid
        features = map |> flatten |> dense(160) |> relu
        output scores = features |> dense(10)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LEN: usize = 3 * 96 * 96;
const MOST: usize = 9;

fn images() -> Vec<[f32; LEN]> {
    let pixel = |image: usize, place: usize| ((image * 31 + place * 7) % 97) as f32 / 97.0 - 0.3;
    (0..MOST).map(|image| std::array::from_fn(|place| pixel(image, place))).collect()
}

fn network(batch: usize, threads: usize) -> Front {
    Front::with_options(&Options { batch, threads, seed: 5, ..Options::default() })
}

/// Whether maps are the same to the last bit and scores nearly so: a dense layer adds up otherwise for one image.
fn agree(a: &[(Vec<f32>, Vec<f32>)], b: &[(Vec<f32>, Vec<f32>)]) -> bool {
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * a.abs().max(1.0));
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && near(&a.1, &b.1))
}

fn answers(network: &mut Front, images: &[[f32; LEN]]) -> Vec<(Vec<f32>, Vec<f32>)> {
    let outputs = network.infer_batch(images).expect("a batch that fits");
    outputs.map.iter().zip(outputs.scores).map(|(map, scores)| (map.to_vec(), scores.to_vec())).collect()
}

/// One test: while another ran, its allocations would be counted, too.
#[test]
fn a_batch() {
    is_answered_as_its_images_are_alone();
    takes_memory_of_an_image_for_each_thread();
    allocates_nothing();
    does_not_need_the_weights_that_others_are_made_of();
}

fn does_not_need_the_weights_that_others_are_made_of() {
    let images = images();
    let mut kept = network(MOST, 2);
    let mut network =
        Front::with_options(&Options { batch: MOST, threads: 2, seed: 5, keep_weights: false, ..Options::default() });
    assert_eq!(network.params(), kept.params());
    let file = std::env::temp_dir().join(format!("cnnc-batches-{}.safetensors", std::process::id()));
    cnnc_runtime::weights::save(&network, &file, None).expect("weights that are still there");
    for _ in 0..2 {
        assert!(answers(&mut network, &images) == answers(&mut kept, &images));
        assert!(network.params().is_empty() && network.param("conv1.weight").is_none());
        assert!(network.param_mut("conv1.weight").is_none());
        let mistake = cnnc_runtime::weights::save(&network, &file, None).expect_err("they are gone");
        assert!(mistake.to_string().contains("`keep_weights`"), "{mistake}");
        // Some of them would not do: the others are gone.
        let mut renamed = std::fs::read(&file).expect("it was written");
        let at = renamed.windows(12).position(|name| name == b"conv1.weight").expect("a name");
        renamed[at] = b'k';
        let part = cnnc_runtime::weights::load_bytes(&mut network, &renamed, cnnc_runtime::weights::Lenience::TRANSFER);
        assert!(part.expect_err("one is missing").to_string().contains("`keep_weights`"));
        assert!(answers(&mut network, &images) == answers(&mut kept, &images), "it is left as it was");
        // All of them again, and as good as new.
        cnnc_runtime::weights::load(&mut network, &file).expect("weights");
        assert_eq!(network.params(), kept.params());
    }
    std::fs::remove_file(file).expect("it was written");
}

fn is_answered_as_its_images_are_alone() {
    let images = images();
    let mut alone = network(1, 1);
    let mut expected: Vec<_> = images.iter().map(|image| answers(&mut alone, &[*image]).remove(0)).collect();
    for threads in 1..=4 {
        let mut network = network(MOST, threads);
        for count in 1..=MOST {
            let found = answers(&mut network, &images[..count]);
            assert!(agree(&found, &expected[..count]), "{count} images, {threads} threads");
        }
    }
    // Other weights are made ready for all threads.
    let mut batch = network(MOST, 2);
    answers(&mut batch, &images);
    for network in [&mut alone, &mut batch] {
        network.params_mut().iter_mut().for_each(|weight| *weight *= 0.9);
    }
    expected = images.iter().map(|image| answers(&mut alone, &[*image]).remove(0)).collect();
    assert!(agree(&answers(&mut batch, &images), &expected));
}

fn takes_memory_of_an_image_for_each_thread() {
    let bytes = |batch, threads| network(batch, threads).memory().arena_bytes();
    let image = bytes(1, 1);
    for threads in 1..=2 {
        let batch = bytes(MOST, threads);
        assert!(batch < (threads + 4) * image, "{batch} for {MOST} images of {image}");
    }
}

fn allocates_nothing() {
    if cnnc_runtime::Isa::detect().name() == "portable" {
        // The portable product packs its operands in memory it allocates.
        return;
    }
    let (images, mut network) = (images(), network(MOST, 2));
    let round = || {
        network.infer_batch(&images).expect("a batch that fits");
    };
    assert_eq!(allocations(round), 0);
}
