//! What covers an error of a site.

use crate::certificate_model::model::{Id, Model, Status, Unit};

impl Model {
    /// Sound units within reach at a site: its unsold stock, and its buffer.
    pub fn cover(&self, site: usize) -> (usize, usize) {
        let buffer = |id, unit: &Unit| unit.status == Status::Buffer && self.is_within_reach(id, unit);
        (self.count(site, |id, unit| self.is_stock(id, unit)), self.count(site, buffer))
    }

    /// Of the stock, units that others back: they cover no error.
    pub fn backed_stock(&self, site: usize) -> usize {
        self.count(site, |id, unit| self.is_stock(id, unit) && unit.backed_by.is_some())
    }

    fn is_stock(&self, id: Id, unit: &Unit) -> bool {
        unit.status == Status::Held && unit.holder == Some(0) && self.is_within_reach(id, unit)
    }

    fn is_within_reach(&self, id: Id, unit: &Unit) -> bool {
        !self.fails(id) && !unit.frozen.is_some_and(|frozen| frozen.by_auditor)
    }
}
