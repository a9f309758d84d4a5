//! What happens in the organisation, day by day: each act changes the books and says so.

use uuid::Uuid;

use super::book::{Gone, Kept};
use super::maker::Maker;
use super::phrases::Home;
use super::plain::Plain;
use super::{Item, Organisation};
use crate::model::change::{Image, Operation};

/// Most records that may depend on one that is deleted; one with more stays.
const MOST_DEPENDENTS: usize = 16;
/// Most changes of one act: a deal with its lines and links, its dependents, and the deal itself.
pub(super) const MOST_CHANGES_PER_ACT: u64 = 2 * MOST_DEPENDENTS as u64 + 8;

impl Organisation {
    /// One act. With little room it changes one record only.
    pub(super) fn act(&mut self, room: u64, items: &mut Vec<Item>) {
        self.now += self.dice.within(500_000..=200_000_000);
        if room <= MOST_CHANGES_PER_ACT {
            return self.update_some(items);
        }
        match self.dice.below(1_000) {
            0..180 => self.create_some(items),
            180..235 => self.delete_some(items),
            235..265 => self.create_again(items),
            265..355 => self.associate(items),
            355..405 => self.disassociate(items),
            405..455 => self.retarget(items),
            455..465 => self.repeat_late(items),
            _ => self.update_some(items),
        }
    }

    /// A new record, with a new id.
    pub(super) fn create(&mut self, kept: Kept, operation: Operation, items: &mut Vec<Item>) {
        let id = self.dice.id();
        let home = Home::of(&mut self.dice);
        self.create_as(kept, id, home, operation, items);
    }

    fn create_as(
        &mut self,
        kept: Kept,
        id: Uuid,
        home: Home,
        operation: Operation,
        items: &mut Vec<Item>,
    ) {
        let mut values = self.make_record(kept, id, home);
        if kept == Kept::Line {
            // A line belongs to a deal from its first day on.
            let Some(deal) = self.books[Kept::Opportunity.number()].pick(&mut self.dice) else {
                return;
            };
            if let Some(at) = self.books[kept.number()].field("opportunityid") {
                values[at] = Plain::Link(deal, super::party::Party::Opportunity);
            }
        }
        self.books[kept.number()].insert(id, values, home);
        let every: Vec<usize> = (0..self.books[kept.number()].fields.len()).collect();
        self.remember_links(kept, id, &every);
        self.say(kept, id, operation, Image::Full, &every, items);
    }

    fn create_some(&mut self, items: &mut Vec<Item>) {
        let kept = match self.dice.below(100) {
            0..15 => Kept::Account,
            15..40 => Kept::Contact,
            40..65 => Kept::Opportunity,
            _ => Kept::Line,
        };
        self.create(kept, Operation::Create, items);
    }

    fn update_some(&mut self, items: &mut Vec<Item>) {
        if self.dice.chance(220) && !self.hot.is_empty() {
            let (kept, id) = *self.dice.pick(&self.hot);
            return self.update(kept, id, items);
        }
        let kept = match self.dice.below(100) {
            0..25 => Kept::Account,
            25..55 => Kept::Contact,
            55..80 => Kept::Opportunity,
            80..97 => Kept::Line,
            _ => Kept::Product,
        };
        // Firms are loaded before all else that changes, and the last one cannot be deleted.
        let picked = self.books[kept.number()].pick(&mut self.dice).map(|id| (kept, id));
        if let Some((kept, id)) = picked.or_else(|| self.hot.first().copied()) {
            self.update(kept, id, items);
        }
    }

    /// Some fields of a record change; some are cleared.
    fn update(&mut self, kept: Kept, id: Uuid, items: &mut Vec<Item>) {
        let Some(home) = self.books[kept.number()].record(id).map(|record| record.home) else {
            return;
        };
        let mut touched = Vec::new();
        for _ in 0..=self.dice.below(5) {
            let at = *self.dice.pick(&self.editable[kept.number()]);
            if !touched.contains(&at) {
                touched.push(at);
            }
        }
        let mut values = Vec::new();
        for at in &touched {
            let clearable = self.books[kept.number()].fields[*at].fill < 1_000;
            let cleared = clearable && self.dice.chance(160);
            values.push(if cleared { Plain::Nothing } else { self.make(kept, *at, id, home) });
        }
        self.set(kept, id, touched, values, items);
    }

    /// Writes values into a record, with what follows from them, and says so.
    fn set(
        &mut self,
        kept: Kept,
        id: Uuid,
        mut touched: Vec<usize>,
        values: Vec<Plain>,
        items: &mut Vec<Item>,
    ) {
        let grain = if kept.is_versioned() { 1 } else { 10_000 };
        let now = Plain::Moment(self.now / grain * grain);
        let Some((fields, rules, record)) = self.books[kept.number()].open(id) else {
            return;
        };
        for (at, value) in touched.iter().zip(values) {
            record.values[*at] = value;
        }
        if let Some(at) = fields.iter().position(|field| field.maker == Maker::ChangedAt) {
            record.values[at] = now;
            touched.push(at);
        }
        rules.follow(fields, &mut record.values, &mut touched, record.home);
        touched.sort_unstable();
        self.remember_links(kept, id, &touched);
        // Images in the source's own encoding come with the changed fields, and are long.
        let images = if kept.is_versioned() { 180 } else { 60 };
        let image = if self.dice.chance(images) { Image::Full } else { Image::Patch };
        self.say(kept, id, Operation::Update, image, &touched, items);
    }

    /// A customer is set, cleared, or becomes another one, of another entity perhaps.
    fn retarget(&mut self, items: &mut Vec<Item>) {
        let (kept, names) = match self.dice.below(3) {
            0 => (Kept::Account, ["primarycontactid", "parentaccountid"]),
            1 => (Kept::Opportunity, ["customerid", "parentaccountid"]),
            _ => (Kept::Contact, ["parentcustomerid", "parentcustomerid"]),
        };
        let book = &self.books[kept.number()];
        let at = names.iter().find_map(|name| book.field(name));
        let (Some(at), Some(id)) = (at, book.pick(&mut self.dice)) else {
            return self.update_some(items);
        };
        let home = book.record(id).map(|record| record.home);
        let value = match home {
            Some(home) if !self.dice.chance(250) => self.make(kept, at, id, home),
            _ => Plain::Nothing,
        };
        self.set(kept, id, vec![at], vec![value], items);
    }

    fn delete_some(&mut self, items: &mut Vec<Item>) {
        let kept = match self.dice.below(100) {
            0..10 => Kept::Account,
            10..45 => Kept::Contact,
            45..65 => Kept::Opportunity,
            _ => Kept::Line,
        };
        let book = &self.books[kept.number()];
        let Some(id) = book.pick(&mut self.dice).filter(|_| book.len() > 1) else {
            return self.update_some(items);
        };
        let dependents = self.dependents(id);
        if self.hot.contains(&(kept, id)) || dependents.len() > MOST_DEPENDENTS {
            return self.update(kept, id, items);
        }
        for (dependent, dependent_id, at) in dependents {
            let owned = dependent == Kept::Line && kept == Kept::Opportunity;
            if dependent == Kept::Link || (owned && !self.hot.contains(&(dependent, dependent_id)))
            {
                self.delete(dependent, dependent_id, items);
            } else {
                self.set(dependent, dependent_id, vec![at], vec![Plain::Nothing], items);
            }
        }
        self.delete(kept, id, items);
    }

    fn delete(&mut self, kept: Kept, id: Uuid, items: &mut Vec<Item>) {
        if self.books[kept.number()].record(id).is_none() {
            return;
        }
        self.say(kept, id, Operation::Delete, Image::Full, &[], items);
        self.books[kept.number()].remove(id);
        self.referrers.remove(&id);
    }

    /// Who refers to a record now, and in which field.
    fn dependents(&self, id: Uuid) -> Vec<(Kept, Uuid, usize)> {
        let mut dependents: Vec<(Kept, Uuid, usize)> =
            self.referrers.get(&id).cloned().unwrap_or_default();
        dependents.sort_unstable();
        dependents.dedup();
        dependents.retain(|(kept, referrer, at)| {
            let record = self.books[kept.number()].record(*referrer);
            record.is_some_and(|record| match record.values[*at] {
                Plain::Link(target, _) | Plain::Id(target) => target == id,
                _ => false,
            })
        });
        dependents
    }

    /// Notes to whom the touched fields refer.
    fn remember_links(&mut self, kept: Kept, id: Uuid, touched: &[usize]) {
        let Some(record) = self.books[kept.number()].record(id) else {
            return;
        };
        for at in touched {
            let target = match record.values[*at] {
                Plain::Link(target, party) => Kept::of(party).map(|_| target),
                Plain::Id(target) if kept == Kept::Link && target != id => Some(target),
                _ => None,
            };
            if let Some(target) = target {
                self.referrers.entry(target).or_default().push((kept, id, *at));
            }
        }
    }

    /// A record that was deleted comes back under its old id.
    fn create_again(&mut self, items: &mut Vec<Item>) {
        let kept = *self.dice.pick(&[Kept::Contact, Kept::Line, Kept::Account, Kept::Link]);
        let gone = &mut self.books[kept.number()].gone;
        if gone.is_empty() {
            return self.create_some(items);
        }
        let at = self.dice.below(gone.len());
        let Gone { id, sides } = gone.swap_remove(at);
        match sides {
            None => {
                let home = Home::of(&mut self.dice);
                self.create_as(kept, id, home, Operation::Create, items);
                self.said.again += 1;
            }
            Some(sides) => {
                let alive =
                    |(kept, id): (Kept, Uuid)| self.books[kept.number()].record(id).is_some();
                if self.sides.into_iter().zip(sides).all(alive) {
                    self.link(id, sides, items);
                    self.said.again += 1;
                } else {
                    self.books[kept.number()].gone.push(Gone { id, sides: Some(sides) });
                    self.update_some(items);
                }
            }
        }
    }

    /// Two records are linked.
    pub(super) fn associate(&mut self, items: &mut Vec<Item>) {
        let [first, second] = self.sides.map(|kept| self.books[kept.number()].pick(&mut self.dice));
        let (Some(first), Some(second)) = (first, second) else {
            return self.update_some(items);
        };
        let id = self.link_id(first, second);
        let book = &mut self.books[Kept::Link.number()];
        if book.record(id).is_some() {
            return self.update_some(items);
        }
        book.gone.retain(|gone| gone.id != id);
        self.link(id, [first, second], items);
    }

    fn link(&mut self, id: Uuid, sides: [Uuid; 2], items: &mut Vec<Item>) {
        let home = Home::of(&mut self.dice);
        let book = &self.books[Kept::Link.number()];
        let mut values = vec![Plain::Nothing; book.fields.len()];
        for (field, value) in book.fields.iter().zip(&mut values) {
            if field.maker == Maker::OwnId {
                *value = Plain::Id(id);
            }
        }
        let mut touched = Vec::new();
        if let Some(intersect) = &book.definition.intersect {
            let attributes = [&intersect.first.attribute, &intersect.second.attribute];
            for (attribute, side) in attributes.into_iter().zip(sides) {
                if let Some(at) = book.field(attribute) {
                    values[at] = Plain::Id(side);
                    touched.push(at);
                }
            }
        }
        self.books[Kept::Link.number()].insert(id, values, home);
        self.remember_links(Kept::Link, id, &touched);
        self.say(Kept::Link, id, Operation::Create, Image::Full, &touched, items);
    }

    fn disassociate(&mut self, items: &mut Vec<Item>) {
        match self.books[Kept::Link.number()].pick(&mut self.dice) {
            Some(id) => self.delete(Kept::Link, id, items),
            None => self.update_some(items),
        }
    }

    /// A notification that was on its way for a long time: newer ones came before it.
    fn repeat_late(&mut self, items: &mut Vec<Item>) {
        match self.late.pop_front() {
            Some((kept, change)) => {
                self.said.late += 1;
                items.push(Item::Change(kept, change));
            }
            None => self.update_some(items),
        }
    }
}
