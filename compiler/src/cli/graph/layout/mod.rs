//! Where boxes and edges are: layers from top to bottom, after Sugiyama, Tagawa & Toda 1981, "Methods for visual understanding
//! of hierarchical system structures". Ranks ([`rank`]), order within a rank ([`order`]), places ([`place`]).
//!
//! An edge over several ranks passes each of them through a *bend*, which keeps a lane free for it between the boxes.

mod order;
mod place;
mod rank;

/// Width and height.
pub type Size = (f64, f64);
/// A place on the page, from its top left corner.
pub type Point = (f64, f64);

/// What is to be laid out: boxes, each after those it depends on, and edges between them.
#[derive(Debug)]
pub struct Task<'a> {
    /// How large each box is.
    pub sizes: &'a [Size],
    /// From where to where.
    pub edges: &'a [(usize, usize)],
    /// Boxes that stand as far down as possible: targets, and what depends on them alone.
    pub late: &'a [bool],
}

/// Where everything is.
#[derive(Debug)]
pub struct Layout {
    /// The size of the page.
    pub size: Size,
    /// The centre of each box.
    pub centres: Vec<Point>,
    /// Each edge: where it leaves a box; for each rank it passes, where it enters and leaves that; where it meets the other box.
    pub routes: Vec<Vec<Point>>,
}

/// Ranks of boxes and bends.
#[derive(Debug, Default)]
struct Ranks {
    /// The rank of each vertex: first boxes, then bends.
    rank: Vec<usize>,
    /// The vertices of each rank, from left to right.
    rows: Vec<Vec<usize>>,
    /// Neighbours in the rank above, by vertex.
    above: Vec<Vec<usize>>,
    /// Neighbours in the rank below, by vertex.
    below: Vec<Vec<usize>>,
    /// The vertices of each edge, from box to box.
    paths: Vec<Vec<usize>>,
    /// How many vertices are boxes.
    boxes: usize,
}

impl Ranks {
    fn is_bend(&self, vertex: usize) -> bool {
        vertex >= self.boxes
    }
}

/// Width of the lane of an edge.
const LANE: f64 = 16.0;
/// Least distance of boxes of a rank.
const GAP: f64 = 28.0;
/// Least distance of ranks.
const STEP: f64 = 34.0;

/// Lays boxes and edges out.
pub fn layout(task: &Task<'_>) -> Layout {
    let mut ranks = rank::ranks(task);
    order::reduce_crossings(&mut ranks);
    let widths: Vec<f64> = (0..ranks.rank.len()).map(|v| task.sizes.get(v).map_or(LANE, |size| size.0)).collect();
    let x = place::columns(&ranks, &widths);
    let rows = heights(&ranks, task.sizes, &x);
    let (centre, top, bottom) = (
        |v: usize| rows[ranks.rank[v]].0 + rows[ranks.rank[v]].1 / 2.0,
        |v: usize| rows[ranks.rank[v]].0,
        |v: usize| rows[ranks.rank[v]].0 + rows[ranks.rank[v]].1,
    );
    let route = |path: &Vec<usize>| {
        let (first, last) = (path[0], path[path.len() - 1]);
        let mut points = vec![(x[first], centre(first) + task.sizes[first].1 / 2.0)];
        points.extend(
            path[1..path.len() - 1].iter().flat_map(|bend| [(x[*bend], top(*bend)), (x[*bend], bottom(*bend))]),
        );
        points.push((x[last], centre(last) - task.sizes[last].1 / 2.0));
        points
    };
    let right = (0..x.len()).map(|v| x[v] + widths[v] / 2.0).fold(0.0, f64::max);
    Layout {
        size: (right, rows.last().map_or(0.0, |row| row.0 + row.1)),
        centres: (0..task.sizes.len()).map(|v| (x[v], centre(v))).collect(),
        routes: ranks.paths.iter().map(route).collect(),
    }
}

/// Where each rank begins, and how high it is. Edges that go far to the side get more room to do so.
fn heights(ranks: &Ranks, sizes: &[Size], x: &[f64]) -> Vec<(f64, f64)> {
    let mut y = 0.0;
    let mut rows = Vec::new();
    for row in &ranks.rows {
        let height = row.iter().filter_map(|v| sizes.get(*v)).map(|size| size.1).fold(0.0, f64::max);
        rows.push((y, height));
        let aside = row.iter().flat_map(|v| ranks.below[*v].iter().map(|w| (x[*v] - x[*w]).abs())).fold(0.0, f64::max);
        y += height + STEP + (aside / 12.0).min(46.0);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(boxes: usize, edges: &[(usize, usize)]) -> Layout {
        layout(&Task { sizes: &vec![(100.0, 40.0); boxes], edges, late: &vec![false; boxes] })
    }

    /// A chain is a straight line, whatever passes by it.
    #[test]
    fn a_chain_is_straight() {
        let layout = laid_out(5, &[(0, 1), (1, 2), (2, 3), (3, 4), (0, 3), (1, 4)]);
        assert!(layout.centres.iter().all(|c| c.0 == layout.centres[0].0), "{:?}", layout.centres);
        for (edge, passes) in [(4, 2), (5, 2)] {
            let lane = layout.routes[edge][1].0;
            assert_eq!(layout.routes[edge].len(), 2 + 2 * passes);
            assert!((lane - layout.centres[0].0).abs() >= 50.0 + LANE / 2.0, "an edge goes through a box");
        }
    }

    /// Branches stand side by side, what they come from and lead to in their middle.
    #[test]
    fn branches_are_symmetric() {
        let edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)];
        let layout = laid_out(5, &edges);
        let x: Vec<f64> = layout.centres.iter().map(|c| c.0).collect();
        let mut branches = [x[1], x[2], x[3]];
        branches.sort_by(f64::total_cmp);
        assert!(branches[1] - branches[0] >= 100.0 + GAP && branches[2] - branches[1] >= 100.0 + GAP);
        assert!((x[0] - branches[1]).abs() < 1.0 && (x[4] - branches[1]).abs() < 1.0, "{x:?}");
    }

    /// Boxes of a rank do not touch, and edges lead downwards.
    #[test]
    fn nothing_overlaps() {
        let mut random = 7_u64;
        for boxes in 2..40 {
            let mut edges: Vec<(usize, usize)> = (1..boxes)
                .flat_map(|to| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    [((random >> 33) as usize % to, to), ((random >> 40) as usize % to, to)]
                })
                .collect();
            edges.dedup();
            let layout = laid_out(boxes, &edges);
            for (a, first) in layout.centres.iter().enumerate() {
                for second in &layout.centres[a + 1..] {
                    let apart =
                        (first.0 - second.0).abs() >= 100.0 + GAP - 0.01 || (first.1 - second.1).abs() >= 40.0 + STEP;
                    assert!(apart, "{boxes} boxes: {first:?} and {second:?}");
                }
            }
            for route in &layout.routes {
                assert!(route.windows(2).all(|w| w[0].1 <= w[1].1), "{route:?}");
            }
        }
    }
}
