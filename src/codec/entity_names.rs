//! Entity names that a decoder has met, so that a change gets a cheap copy instead of a new one.
//!
//! A lane carries one entity, or a few. The number kept is bounded: a producer that writes ever new
//! names costs time, not memory.

use super::limit::MAX_KEPT_ENTITY_NAMES;
use crate::model::record::EntityName;

/// The names, the one met last in front.
#[derive(Debug, Default)]
pub(super) struct EntityNames {
    names: Vec<EntityName>,
}

impl EntityNames {
    /// The name, shared with earlier changes of the same entity.
    #[inline]
    pub(super) fn get(&mut self, name: &str) -> EntityName {
        match self.names.first() {
            Some(first) if first.as_str() == name => first.clone(),
            _ => self.find(name),
        }
    }

    fn find(&mut self, name: &str) -> EntityName {
        let at = match self.names.iter().position(|known| known.as_str() == name) {
            Some(at) => at,
            None if self.names.len() < MAX_KEPT_ENTITY_NAMES => {
                self.names.push(EntityName::new(name));
                self.names.len() - 1
            }
            None => return EntityName::new(name),
        };
        self.names.swap(0, at);
        self.names[0].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_bounded_number_of_names() {
        let mut names = EntityNames::default();
        for number in 0..2 * MAX_KEPT_ENTITY_NAMES {
            let name = format!("entity{number}");
            assert_eq!(names.get(&name).as_str(), name);
            assert_eq!(names.get("account").as_str(), "account");
        }
        assert_eq!(names.names.len(), MAX_KEPT_ENTITY_NAMES);
    }
}
