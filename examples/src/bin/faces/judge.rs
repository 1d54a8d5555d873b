//! How well a likeness of pictures tells classes apart that were never learnt.

use cnnc_examples::{Result, Table, percent};
use cnnc_runtime::boxes::Corners;
use cnnc_runtime::data::Raster;
use cnnc_runtime::draw;
use cnnc_runtime::metrics::Roc;
use cnnc_runtime::random::Random;

use crate::set::{Set, different};

/// The most classes that one drawing is chosen from.
const WAYS: usize = 20;

/// What is known of a likeness.
pub struct Verdict {
    /// Its name.
    pub name: String,
    /// Of all pairs of pictures: are both the same?
    pub roc: Roc,
    /// The share of drawings that are most like the one known drawing of their class, among up to 20 classes.
    pub one_shot: f64,
    /// The share of pictures whose nearest in the database is of their class.
    pub recognised: f64,
}

/// A likeness of two pictures of a set, by their positions; higher where both show the same.
pub type Likeness<'a> = &'a dyn Fn(usize, usize) -> f32;

/// Judges a likeness on a set.
pub fn judge(name: &str, set: &Set, likeness: Likeness<'_>) -> Result<Verdict> {
    let labels = set.labels();
    let pairs = (0..labels.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    let (scores, same): (Vec<f32>, Vec<bool>) = pairs.map(|(a, b)| (likeness(a, b), labels[a] == labels[b])).unzip();
    let roc =
        Roc::new(&scores, &same).ok_or("the network gives no numbers, or there are no two pictures of a class")?;
    let nearest = queries(set).map(|query| (query, neighbours(set, query, likeness)[0]));
    let (mut right, mut all) = (0, 0);
    for (query, found) in nearest {
        right += usize::from(labels[query] == labels[found]);
        all += 1;
    }
    let recognised = right as f64 / all as f64;
    Ok(Verdict { name: name.to_owned(), roc, one_shot: one_shot(set, likeness), recognised })
}

/// As Lake et al. 2015 do it: of up to 20 classes there is one drawing each, by one person, and one by another person is to be found.
fn one_shot(set: &Set, likeness: Likeness<'_>) -> f64 {
    const TRIALS: usize = 100;
    let each = set.classes[0].len();
    let mut random = Random::new(0);
    let (mut right, mut all) = (0, 0);
    for _ in 0..TRIALS {
        let classes = different(WAYS, set.classes.len(), &mut random);
        let people = different(2, each, &mut random);
        for class in &classes {
            let query = class * each + people[1];
            let score = |class: &&usize| likeness(query, **class * each + people[0]);
            let best = classes.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
            right += usize::from(best == Some(class));
            all += 1;
        }
    }
    right as f64 / all as f64
}

/// The second half of each class; the first half is the database.
fn queries(set: &Set) -> impl Iterator<Item = usize> {
    let each = set.classes[0].len();
    (0..set.classes.len() * each).filter(move |i| i % each >= each / 2)
}

/// The pictures of the database, the most alike first.
fn neighbours(set: &Set, query: usize, likeness: Likeness<'_>) -> Vec<usize> {
    let each = set.classes[0].len();
    let mut known: Vec<(f32, usize)> =
        (0..set.classes.len() * each).filter(|i| i % each < each / 2).map(|i| (likeness(query, i), i)).collect();
    known.sort_by(|a, b| b.0.total_cmp(&a.0));
    known.into_iter().map(|(_, i)| i).collect()
}

/// All verdicts as a table.
pub fn table(verdicts: &[Verdict], set: &Set) -> Table {
    let ways = format!("{}-way one-shot", WAYS.min(set.classes.len()));
    let mut table = Table::new(&["likeness", "AUC", "equal error", &ways, "nearest in the database"]);
    for verdict in verdicts {
        let error = percent(verdict.roc.equal_error().0);
        let cells = [percent(verdict.one_shot), percent(verdict.recognised)];
        table.row(&[&verdict.name, &format!("{:.4}", verdict.roc.auc()), &error, &cells[0], &cells[1]]);
    }
    table
}

/// The ROC curves, as SVG.
pub fn curves(title: &str, verdicts: &[Verdict]) -> String {
    let named: Vec<(&str, &Roc)> = verdicts.iter().map(|verdict| (verdict.name.as_str(), &verdict.roc)).collect();
    draw::roc(title, &named)
}

/// Queries, each with its nearest in the database, in a green frame where these are of its class and in a red one elsewhere.
pub fn picture(set: &Set, likeness: Likeness<'_>, show: impl Fn(&Raster) -> Raster) -> Raster {
    const ROWS: usize = 8;
    const NEAREST: usize = 6;
    let (pictures, labels): (Vec<&Raster>, Vec<usize>) = (set.pictures().collect(), set.labels());
    let queries: Vec<usize> = queries(set).collect();
    let mut cells = Vec::new();
    for query in queries.iter().step_by(queries.len().div_ceil(ROWS)) {
        cells.push(show(pictures[*query]));
        for found in neighbours(set, *query, likeness).into_iter().take(NEAREST) {
            let mut cell = show(pictures[found]);
            let frame = Corners { x1: 0.0, y1: 0.0, x2: cell.width as f32, y2: cell.height as f32 };
            draw::frame(
                &mut cell,
                &frame,
                if labels[found] == labels[*query] { [40, 150, 70] } else { [200, 50, 40] },
                3,
            );
            cells.push(cell);
        }
    }
    draw::sheet(&cells, 1 + NEAREST, 6)
}
