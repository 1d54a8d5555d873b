use std::sync::Mutex;
use std::vec;
use std::vec::Vec;

use super::*;

const THREADS: [usize; 4] = [1, 2, 3, 8];

fn each_pool(mut test: impl FnMut(&Pool, &mut Scratch)) {
    for threads in THREADS {
        let pool = Pool::new(threads);
        test(&pool, &mut Scratch::new(pool.threads(), 4));
    }
}

#[test]
fn every_image_is_computed_once() {
    each_pool(|pool, scratch| {
        for round in 0..500 {
            let count = round % 23;
            let mut data = vec![0.0; count * 7];
            pool.images(BatchMut::part(&mut data, 7, 2..5), scratch, &|image, y, scratch| {
                scratch.fill(image as f32);
                y.iter_mut().for_each(|y| *y += 1.0 + scratch[3]);
            });
            for (image, data) in data.chunks(7).enumerate() {
                let x = 1.0 + image as f32;
                assert_eq!(data, [0.0, 0.0, x, x, x, 0.0, 0.0]);
            }
        }
    });
}

#[test]
fn blocks_and_pieces_keep_a_shorter_end() {
    each_pool(|pool, scratch| {
        let mut y = vec![0.0; 10 * 3];
        pool.blocks(&mut y, 3, 4, scratch, &|first, y, _| {
            assert_eq!(y.len(), if first == 8 { 6 } else { 12 });
            y.iter_mut().enumerate().for_each(|(i, y)| *y += (first * 3 + i) as f32);
        });
        pool.pieces(&mut y, 7, scratch, &|piece, y, _| {
            assert_eq!(y.len(), if piece == 4 { 2 } else { 7 });
            y.iter_mut().enumerate().for_each(|(i, y)| *y += (piece * 7 + i) as f32);
        });
        assert!(y.iter().enumerate().all(|(i, &y)| y == 2.0 * i as f32));
        pool.pieces(&mut [], 7, scratch, &|_, _, _| unreachable!("there is no piece"));
    });
}

#[test]
fn every_plane_is_in_one_stack() {
    each_pool(|pool, scratch| {
        for count in [0, 1, 2, 3, 7, 8, 11, 23] {
            // Images of five planes of three floats, between others.
            let mut data = vec![0.0; count * 20];
            let cut = Cut { plane: 3, row: 3, strips: 1, planes: 2 };
            pool.stacks(BatchMut::part(&mut data, 20, 4..19), &cut, 4, scratch, &|y, scratch| {
                // Three groups of planes: of few images stacks have fewer, so that there are eight tasks.
                let images = (3 * count).div_ceil(8).clamp(1, 4);
                assert!(y.images().start.is_multiple_of(images) && y.images().len() <= images);
                assert!(y.planes().start.is_multiple_of(2) && y.planes().len() <= 2);
                scratch.fill(1.0);
                for image in y.images() {
                    for plane in y.planes() {
                        y.plane(image, plane).iter_mut().for_each(|y| *y += scratch[3] + plane as f32);
                    }
                }
            });
            for data in data.chunks(20) {
                let (before, planes, behind) = (&data[..4], &data[4..19], &data[19..]);
                assert!(before.iter().chain(behind).all(|x| *x == 0.0));
                assert!(planes.iter().enumerate().all(|(i, x)| *x == 1.0 + (i / 3) as f32));
            }
        }
    });
}

#[test]
fn strips_are_of_about_as_many_rows() {
    each_pool(|pool, scratch| {
        // Two images of three planes of fourteen rows of four floats, the last of them of two.
        for strips in [1, 2, 5, 8, 14] {
            let mut data = vec![0.0; 2 * 3 * 54];
            let cut = Cut { plane: 54, row: 4, strips, planes: 2 };
            pool.strips(BatchMut::dense(&mut data, 3 * 54), &cut, scratch, &|_, y, _| {
                let (first, end) = (y.offset(), y.offset() + y.len());
                assert!(first.is_multiple_of(4) && (end.is_multiple_of(4) || end == 54));
                let rows = y.len().div_ceil(4);
                assert!((14 / strips..=14_usize.div_ceil(strips)).contains(&rows), "{rows} rows of {strips} strips");
                for plane in y.planes() {
                    y.plane(plane).iter_mut().for_each(|y| *y += 1.0);
                }
            });
            assert!(data.iter().all(|y| *y == 1.0), "every float once");
        }
    });
}

#[test]
#[should_panic(expected = "plane 2 of 0..2")]
fn planes_of_other_stacks_are_refused() {
    let mut data = vec![0.0; 12];
    let cut = Cut { plane: 3, row: 3, strips: 1, planes: 2 };
    Pool::new(1)
        .stacks(BatchMut::dense(&mut data, 12), &cut, 1, &mut Scratch::new(1, 0), &|y, _| y.plane(0, 2).fill(1.0));
}

/// Values whose sum depends on the order of the additions.
fn awkward(i: usize) -> f32 {
    ((i * 7919) as f32).sin() * 10f32.powi((i % 9) as i32 - 4)
}

#[test]
fn sums_are_bitwise_the_same_at_any_number_of_threads() {
    for count in [1, 3, 8, 37] {
        let mut results: Vec<Vec<u32>> = Vec::new();
        each_pool(|pool, scratch| {
            let len = 9001;
            let mut partials = vec![f32::NAN; GROUPS * len];
            let mut y = vec![f32::NAN; len];
            let seen = Mutex::new(vec![0; count]);
            pool.groups(count, &mut partials, &mut y, scratch, &|images, y, _| {
                for image in images {
                    seen.lock().expect("no panic")[image] += 1;
                    y.iter_mut().enumerate().for_each(|(i, y)| *y += awkward(image * 31 + i));
                }
            });
            assert!(seen.into_inner().expect("no panic").iter().all(|&n| n == 1));
            results.push(y.iter().map(|y| y.to_bits()).collect());
        });
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn no_images_sum_to_zero() {
    each_pool(|pool, scratch| {
        let mut y = [1.0; 3];
        pool.groups(0, &mut [], &mut y, scratch, &|_, _, _| unreachable!("there is no image"));
        assert_eq!(y, [0.0; 3]);
    });
}

#[test]
fn a_call_from_within_a_task_runs_inline() {
    each_pool(|pool, scratch| {
        let mut y = vec![0.0; 64];
        pool.pieces(&mut y, 8, scratch, &|_, y, _| {
            let mut inner = Scratch::new(pool.threads(), 0);
            pool.pieces(y, 1, &mut inner, &|_, y, _| y[0] += 1.0);
        });
        assert!(y.iter().all(|&y| y == 1.0));
    });
}

#[test]
fn two_threads_may_share_a_pool() {
    let pool = Pool::new(3);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut scratch = Scratch::new(pool.threads(), 0);
                for _ in 0..200 {
                    let mut y = [0.0; 50];
                    pool.pieces(&mut y, 3, &mut scratch, &|_, y, _| y.fill(1.0));
                    assert_eq!(y, [1.0; 50]);
                }
            });
        }
    });
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
    each_pool(|pool, scratch| {
        for bad in [0, 9] {
            let mut y = [0.0; 10];
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                pool.pieces(&mut y, 1, scratch, &|piece, y, _| {
                    assert!(piece != bad, "piece {bad} fails");
                    y[0] = 1.0;
                });
            }));
            let panic = result.expect_err("the panic of the task");
            assert!(panic.downcast_ref::<std::string::String>().expect("a text").contains("fails"));
            pool.pieces(&mut y, 1, scratch, &|_, y, _| y[0] = 2.0);
            assert_eq!(y, [2.0; 10]);
        }
    });
}

#[test]
fn workers_that_sleep_wake_up() {
    let pool = Pool::new(4);
    let mut scratch = Scratch::new(4, 0);
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(2));
        let mut y = [0.0; 40];
        pool.pieces(&mut y, 1, &mut scratch, &|_, y, _| {
            std::thread::sleep(std::time::Duration::from_micros(100));
            y[0] = 1.0;
        });
        assert_eq!(y, [1.0; 40]);
    }
}

#[test]
fn fewer_slots_than_threads_are_enough() {
    let pool = Pool::new(4);
    let mut y = [0.0; 40];
    pool.pieces(&mut y, 1, &mut Scratch::new(2, 1), &|_, y, scratch| {
        scratch[0] = 1.0;
        y[0] = scratch[0];
    });
    assert_eq!(y, [1.0; 40]);
}

#[test]
fn several_slices_are_divided_alike() {
    each_pool(|pool, scratch| {
        let (mut a, mut b, mut c) = ([1.0; 23], [2.0; 23], [0.0; 23]);
        pool.zip([&mut a, &mut b, &mut c], 5, scratch, &|piece, [a, b, c], _| {
            for i in 0..c.len() {
                c[i] = a[i] + b[i] + (piece * 5 + i) as f32;
                a[i] = 0.0;
            }
        });
        assert_eq!(a, [0.0; 23]);
        assert_eq!(c, core::array::from_fn(|i| 3.0 + i as f32));
    });
}
