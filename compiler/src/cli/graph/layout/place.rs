//! Places from left to right: straight lines first, then short ones.
//!
//! Vertices that are to stand below one another make a *column* (as the blocks of Brandes & Köpf 2002, "Fast and simple
//! horizontal coordinate assignment"): the longest way through the network, and the bends of each edge. Columns get places
//! that keep them apart, and move towards what they are connected with as far as their neighbours let them.

use super::{GAP, LANE, Ranks};

/// How often columns move.
const ROUNDS: usize = 60;

/// The middle of each vertex, from the left side of the page.
pub fn columns(ranks: &Ranks, widths: &[f64]) -> Vec<f64> {
    let column = align(ranks);
    let count = column.iter().max().map_or(0, |c| c + 1);
    let apart = separations(ranks, widths, &column);
    let mut x = compact(count, &apart);
    pull(ranks, &column, &apart, &mut x);
    let left = (0..column.len()).map(|v| x[column[v]] - widths[v] / 2.0).fold(f64::INFINITY, f64::min);
    column.iter().map(|c| x[*c] - left).collect()
}

/// The column of each vertex.
fn align(ranks: &Ranks) -> Vec<usize> {
    let mut place = vec![0; ranks.rank.len()];
    for row in &ranks.rows {
        for (index, vertex) in row.iter().enumerate() {
            place[*vertex] = index;
        }
    }
    let main = main_way(ranks);
    let alone = |from: usize, to: usize| ranks.below[from].len() == 1 && ranks.above[to].len() == 1;
    let wishes: [&dyn Fn(usize, usize) -> bool; 3] =
        [&|from, to| main[from] == Some(to), &|from, to| ranks.is_bend(from) && ranks.is_bend(to), &alone];
    let mut next: Vec<Option<usize>> = vec![None; ranks.rank.len()];
    let mut taken = vec![false; ranks.rank.len()];
    for wish in wishes {
        for from in ranks.rows.iter().flatten().copied() {
            for to in ranks.below[from].iter().copied().filter(|to| wish(from, *to)) {
                let crosses = |other: usize| {
                    next[other].is_some_and(|end| (place[other] < place[from]) != (place[end] < place[to]))
                };
                if next[from].is_none() && !taken[to] && !ranks.rows[ranks.rank[from]].iter().any(|v| crosses(*v)) {
                    (next[from], taken[to]) = (Some(to), true);
                }
            }
        }
    }
    let mut column = vec![usize::MAX; ranks.rank.len()];
    let mut count = 0;
    for vertex in ranks.rows.iter().flatten().copied() {
        if column[vertex] == usize::MAX {
            column[vertex] = count;
            count += 1;
        }
        if let Some(next) = next[vertex] {
            column[next] = column[vertex];
        }
    }
    column
}

/// For each box the next one on the longest way through it, where it is a direct neighbour and the only such one.
fn main_way(ranks: &Ranks) -> Vec<Option<usize>> {
    let mut after = vec![0; ranks.boxes];
    for vertex in ranks.rows.iter().rev().flatten().copied().filter(|v| !ranks.is_bend(*v)) {
        let ends = ranks.paths.iter().filter(|p| p[0] == vertex).map(|p| p[p.len() - 1]);
        after[vertex] = ends.map(|end| after[end] + 1).max().unwrap_or(0);
    }
    let longest = |candidates: &[usize], length: &dyn Fn(usize) -> usize| {
        let direct = candidates.iter().copied().filter(|v| !ranks.is_bend(*v));
        let most = direct.clone().map(length).max()?;
        let mut longest = direct.filter(|v| length(*v) == most);
        longest.next().filter(|_| longest.next().is_none())
    };
    let run = runs(ranks);
    let next = |vertex: usize| {
        let next = longest(&ranks.below[vertex], &|v| after[v])?;
        (longest(&ranks.above[next], &|v| run[v]) == Some(vertex)).then_some(next)
    };
    (0..ranks.rank.len()).map(|v| if ranks.is_bend(v) { None } else { next(v) }).collect()
}

/// How many boxes lead to each in direct succession.
fn runs(ranks: &Ranks) -> Vec<usize> {
    let mut run = vec![0; ranks.boxes];
    for vertex in ranks.rows.iter().flatten().copied().filter(|v| !ranks.is_bend(*v)) {
        let before = ranks.above[vertex].iter().filter(|v| !ranks.is_bend(**v));
        run[vertex] = before.map(|v| run[*v] + 1).max().unwrap_or(0);
    }
    run
}

/// Columns that are neighbours in some rank, the left one first, and how far their middles are apart at least.
fn separations(ranks: &Ranks, widths: &[f64], column: &[usize]) -> Vec<(usize, usize, f64)> {
    let pair = |pair: &[usize]| {
        let gap = match (ranks.is_bend(pair[0]), ranks.is_bend(pair[1])) {
            (false, false) => GAP,
            (true, true) => 0.0,
            _ => LANE / 2.0,
        };
        (column[pair[0]], column[pair[1]], (widths[pair[0]] + widths[pair[1]]) / 2.0 + gap)
    };
    ranks.rows.iter().flat_map(|row| row.windows(2).map(pair).collect::<Vec<_>>()).collect()
}

/// Between as far left and as far right as columns can be.
fn compact(count: usize, apart: &[(usize, usize, f64)]) -> Vec<f64> {
    let mut left = vec![0.0_f64; count];
    // Each round settles the columns next to those settled before.
    for _ in 0..count {
        let before = left.clone();
        for (a, b, distance) in apart {
            left[*b] = left[*b].max(left[*a] + distance);
        }
        if left == before {
            break;
        }
    }
    let mut right = vec![left.iter().copied().fold(0.0, f64::max); count];
    for _ in 0..count {
        let before = right.clone();
        for (a, b, distance) in apart.iter().rev() {
            right[*a] = right[*a].min(right[*b] - distance);
        }
        if right == before {
            break;
        }
    }
    left.iter().zip(&right).map(|(l, r)| (l + r) / 2.0).collect()
}

/// Moves each column towards the mean of those it is connected with, as far as its neighbours let it.
fn pull(ranks: &Ranks, column: &[usize], apart: &[(usize, usize, f64)], x: &mut [f64]) {
    let mut linked: Vec<Vec<(usize, f64)>> = vec![Vec::new(); x.len()];
    for (from, below) in ranks.below.iter().enumerate() {
        for to in below.iter().filter(|to| column[**to] != column[from]) {
            let weight = if ranks.is_bend(from) || ranks.is_bend(*to) { 1.0 } else { 4.0 };
            linked[column[from]].push((column[*to], weight));
            linked[column[*to]].push((column[from], weight));
        }
    }
    let mut limits: Vec<[Vec<(usize, f64)>; 2]> = vec![[Vec::new(), Vec::new()]; x.len()];
    for (a, b, distance) in apart {
        limits[*b][0].push((*a, *distance));
        limits[*a][1].push((*b, *distance));
    }
    for round in 0..ROUNDS {
        for index in 0..x.len() {
            let index = if round % 2 == 0 { index } else { x.len() - 1 - index };
            let weights: f64 = linked[index].iter().map(|l| l.1).sum();
            if weights == 0.0 {
                continue;
            }
            let wanted = linked[index].iter().map(|(other, weight)| x[*other] * weight).sum::<f64>() / weights;
            let least = limits[index][0].iter().map(|(a, d)| x[*a] + d).fold(f64::NEG_INFINITY, f64::max);
            let most = limits[index][1].iter().map(|(b, d)| x[*b] - d).fold(f64::INFINITY, f64::min);
            x[index] = wanted.min(most).max(least);
        }
    }
}
