//! Ranks: every box below those it depends on.

use super::{Ranks, Task};

/// The ranks of boxes, and bends for edges over several ranks.
pub fn ranks(task: &Task<'_>) -> Ranks {
    let boxes = task.sizes.len();
    let rank = rank_of(task);
    let mut ranks = Ranks { rows: vec![Vec::new(); rank.iter().max().map_or(0, |r| r + 1)], boxes, ..Ranks::default() };
    for (vertex, rank) in rank.iter().enumerate() {
        add(&mut ranks, *rank);
        debug_assert_eq!(ranks.rank.len(), vertex + 1);
    }
    for (from, to) in task.edges {
        let mut path = vec![*from];
        for rank in rank[*from] + 1..rank[*to] {
            path.push(add(&mut ranks, rank));
        }
        path.push(*to);
        for pair in path.windows(2) {
            ranks.below[pair[0]].push(pair[1]);
            ranks.above[pair[1]].push(pair[0]);
        }
        ranks.paths.push(path);
    }
    ranks
}

fn add(ranks: &mut Ranks, rank: usize) -> usize {
    let vertex = ranks.rank.len();
    ranks.rank.push(rank);
    ranks.rows[rank].push(vertex);
    ranks.above.push(Vec::new());
    ranks.below.push(Vec::new());
    vertex
}

/// The longest way from above; late boxes, and those that depend on none, then move down to the first that needs them.
fn rank_of(task: &Task<'_>) -> Vec<usize> {
    let mut rank = vec![0; task.sizes.len()];
    let mut first = vec![true; task.sizes.len()];
    let mut edges = task.edges.to_vec();
    edges.sort_by_key(|e| e.1);
    for (from, to) in edges {
        rank[to] = rank[to].max(rank[from] + 1);
        first[to] = false;
    }
    for vertex in (0..rank.len()).rev().filter(|v| task.late[*v] || first[*v]) {
        let below = task.edges.iter().filter(|e| e.0 == vertex).map(|e| rank[e.1]).min();
        rank[vertex] = below.map_or(rank[vertex], |below| below - 1);
    }
    rank
}
