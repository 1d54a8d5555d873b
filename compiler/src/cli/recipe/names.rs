//! Weights that a recipe names: those that stay as they are, and groups with factors of their own.

use cnnc_runtime::optimizer::{Group, fits};

use super::Recipe;
use super::transfer::{Trained, layers};
use crate::cli::Failed;
use crate::diagnostics::{Diagnostic, Span, nearest};
use crate::graph::{Graph, Param, Role, prefixes};

impl Recipe {
    /// The weights that `freeze` and `transfer` keep as they are; some of the net must be left.
    pub(super) fn frozen(&self, graph: &Graph) -> Result<Vec<String>, Failed> {
        let mut names = self.frozen_by_name(graph)?;
        if let Some(transfer) = &self.written.transfer {
            names.extend(self.frozen_in_front_of(&transfer.train, graph)?);
        }
        let learns = |param: &Param| param.role == Role::Trained && !names.contains(&param.name);
        if graph.params.iter().any(learns) {
            return Ok(names);
        }
        let wrong = Diagnostic::new(self.what_freezes(), "nothing is left to train");
        let wrong = match graph.params.iter().any(|param| param.role == Role::Trained) {
            true => wrong.found("all weights, in what `freeze`, `transfer` and the net itself freeze"),
            false => wrong.found(format!("the net `{}`, which itself has no weights that are trained", graph.name)),
        };
        Err(self.page().failed(&[wrong.fits("some of the weights of the net")]))
    }

    /// What a recipe that leaves nothing to train is to change first.
    fn what_freezes(&self) -> Span {
        match self.written.freeze.is_empty() {
            true => self.page().top("transfer"),
            false => self.page().top("freeze"),
        }
    }

    /// The weights that `freeze` names.
    fn frozen_by_name(&self, graph: &Graph) -> Result<Vec<String>, Failed> {
        let weights = || graph.params.iter().filter(|param| param.role != Role::Buffer);
        let named = |(number, pattern): (usize, &String)| -> Result<Vec<String>, Failed> {
            let names: Vec<String> = weights().map(|p| p.name.clone()).filter(|name| fits(pattern, name)).collect();
            if names.is_empty() {
                let title = format!("there are no weights `{pattern}` to freeze");
                let wrong = Diagnostic::new(self.page().item("freeze", number), title);
                return Err(self.no_such_weights(wrong, pattern, weights()));
            }
            Ok(names)
        };
        Ok(self.written.freeze.iter().enumerate().map(named).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// The weights in front of those that are trained.
    fn frozen_in_front_of(&self, trained: &Trained, graph: &Graph) -> Result<Vec<String>, Failed> {
        let first = trained.first(&graph.params).ok_or_else(|| self.no_such_layers(trained, &graph.params))?;
        let stays = graph.params[..first].iter().filter(|param| param.role == Role::Trained);
        Ok(stays.map(|param| param.name.clone()).collect())
    }

    /// Refuses groups that no trained weight belongs to.
    pub fn groups_have_weights(&self, graph: &Graph) -> Result<(), Failed> {
        let trained = || graph.params.iter().filter(|param| param.role == Role::Trained);
        let groups = &self.written.groups;
        let Some(none) = Group::without(groups, trained().map(|param| &*param.name)) else { return Ok(()) };
        let page = self.page();
        let number = groups.iter().position(|group| std::ptr::eq(group, none)).unwrap_or_default();
        let item = page.item("groups", number);
        let place = page.value_in(item, "match").unwrap_or(item);
        let title = format!("no trained weight is for the group `{}`", none.pattern);
        Err(self.no_such_weights(Diagnostic::new(place, title), &none.pattern, trained()))
    }

    fn no_such_weights<'p>(
        &self,
        wrong: Diagnostic,
        pattern: &str,
        params: impl Iterator<Item = &'p Param> + Clone,
    ) -> Failed {
        const MOST: usize = 8;
        let shown: Vec<&str> = params.clone().take(MOST).map(|param| &*param.name).collect();
        let more =
            if params.clone().nth(MOST).is_some() { " and more; `cnnc summary --weights` lists them" } else { "" };
        let wrong = wrong
            .fits(format!("a name, what it starts with, or a pattern such as `*.bias`, of {}{more}", shown.join(", ")));
        let near = nearest(pattern, params.flat_map(|param| prefixes(&param.name)));
        let wrong = near.iter().fold(wrong, |wrong, near| wrong.hint(format!("did you mean `{near}`?")));
        self.page().failed(&[wrong])
    }

    fn no_such_layers(&self, trained: &Trained, params: &[Param]) -> Failed {
        let page = self.page();
        let wrong = Diagnostic::new(page.in_transfer("train"), "there are no such layers to train");
        let Trained::From(name) = trained else {
            return page.failed(&[wrong.fits(format!("1 to {}: layers with filters", layers(params).len()))]);
        };
        let wrong = wrong
            .found(format!("no weight is named `{name}` or starts with `{name}.`"))
            .fits("the name of a layer or a block call; `cnnc summary --weights` lists the names of weights");
        page.failed(&[match nearest(name, params.iter().flat_map(|param| prefixes(&param.name))) {
            Some(near) => wrong.hint(format!("did you mean `{near}`?")),
            None => wrong,
        }])
    }
}
