//! The order within a rank, in which few edges cross.

use super::Ranks;

/// How often ranks are gone through downwards and upwards.
const ROUNDS: usize = 12;

/// Sorts each rank by where its neighbours are, downwards and upwards in turn, and keeps the order with the fewest crossings.
pub fn reduce_crossings(ranks: &mut Ranks) {
    depth_first(ranks);
    let mut best = (crossings(ranks), ranks.rows.clone());
    for round in 0..ROUNDS {
        if best.0 == 0 {
            break;
        }
        let rows = ranks.rows.len();
        for row in 0..rows {
            let row = if round % 2 == 0 { row } else { rows - 1 - row };
            sort(ranks, row, round % 2 == 0);
        }
        exchange(ranks);
        let now = crossings(ranks);
        if now < best.0 {
            best = (now, ranks.rows.clone());
        }
    }
    ranks.rows = best.1;
}

/// The first order: the one in which a walk from the first boxes downwards meets the others, which crosses nothing in a tree.
fn depth_first(ranks: &mut Ranks) {
    let mut met = vec![false; ranks.rank.len()];
    let mut rows = vec![Vec::new(); ranks.rows.len()];
    let mut open: Vec<usize> = (0..ranks.boxes).rev().filter(|v| ranks.above[*v].is_empty()).collect();
    while let Some(vertex) = open.pop() {
        if !std::mem::replace(&mut met[vertex], true) {
            rows[ranks.rank[vertex]].push(vertex);
            open.extend(ranks.below[vertex].iter().rev());
        }
    }
    ranks.rows = rows;
}

/// The place of each vertex in its rank.
fn places(ranks: &Ranks) -> Vec<usize> {
    let mut place = vec![0; ranks.rank.len()];
    for row in &ranks.rows {
        for (index, vertex) in row.iter().enumerate() {
            place[*vertex] = index;
        }
    }
    place
}

/// Sorts a rank by the mean place of the neighbours above (or below); a vertex without any stays where it is.
fn sort(ranks: &mut Ranks, row: usize, downwards: bool) {
    let place = places(ranks);
    let mean = |vertex: usize| {
        let neighbours = if downwards { &ranks.above[vertex] } else { &ranks.below[vertex] };
        match neighbours.len() {
            0 => place[vertex] as f64,
            n => neighbours.iter().map(|v| place[*v] as f64).sum::<f64>() / n as f64,
        }
    };
    let mut sorted: Vec<(f64, usize)> = ranks.rows[row].iter().map(|v| (mean(*v), *v)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranks.rows[row] = sorted.into_iter().map(|(_, vertex)| vertex).collect();
}

/// Exchanges neighbours of a rank as long as that saves crossings.
fn exchange(ranks: &mut Ranks) {
    let mut place = places(ranks);
    for row in 0..ranks.rows.len() {
        let mut better = true;
        while std::mem::take(&mut better) {
            for index in 1..ranks.rows[row].len() {
                let (left, right) = (ranks.rows[row][index - 1], ranks.rows[row][index]);
                if between(ranks, &place, right, left) < between(ranks, &place, left, right) {
                    ranks.rows[row].swap(index - 1, index);
                    (place[left], place[right]) = (index, index - 1);
                    better = true;
                }
            }
        }
    }
}

/// Crossings of the edges of two vertices of a rank, the one left of the other.
fn between(ranks: &Ranks, place: &[usize], left: usize, right: usize) -> usize {
    let crossed =
        |a: &[usize], b: &[usize]| a.iter().map(|v| b.iter().filter(|w| place[*v] > place[**w]).count()).sum::<usize>();
    crossed(&ranks.above[left], &ranks.above[right]) + crossed(&ranks.below[left], &ranks.below[right])
}

/// All crossings.
fn crossings(ranks: &Ranks) -> usize {
    let place = places(ranks);
    let row = |row: &Vec<usize>| {
        // Of edges from left to right, those that were passed and end further right are crossed.
        let mut ends: Vec<usize> = Vec::new();
        let mut count = 0;
        for vertex in row {
            let mut new: Vec<usize> = ranks.below[*vertex].iter().map(|v| place[*v]).collect();
            new.sort_unstable();
            count += new.iter().map(|end| ends.len() - ends.partition_point(|e| e <= end)).sum::<usize>();
            ends.extend(new);
            ends.sort_unstable();
        }
        count
    };
    ranks.rows.iter().map(row).sum()
}
