//! The entity definitions that come with the program.

use std::sync::Arc;

use super::organisation::Kept;
use crate::model::entity::EntityDefinition;
use crate::model::entity_json::{DefinitionError, DefinitionReader};

/// The documents, by the name of their file.
pub(super) const DOCUMENTS: [(&str, &str); 5] = [
    ("account.json", include_str!("../../../definitions/account.json")),
    ("contact.json", include_str!("../../../definitions/contact.json")),
    ("opportunity.json", include_str!("../../../definitions/opportunity.json")),
    ("opportunityproduct.json", include_str!("../../../definitions/opportunityproduct.json")),
    ("product.json", include_str!("../../../definitions/product.json")),
];

/// The definitions of the demo's entities, in the order of [`Kept::ALL`].
///
/// # Errors
/// If a document is no definition; a test sees that this does not happen.
pub(super) fn definitions() -> Result<Vec<Arc<EntityDefinition>>, DefinitionError> {
    let mut reader = DefinitionReader::default();
    for (_, document) in DOCUMENTS {
        reader.add(document.as_bytes())?;
    }
    let all = reader.finish()?;
    let wanted = |kept: Kept| match kept {
        Kept::Link => all.iter().find(|definition| definition.intersect.is_some()),
        kept => all.iter().find(|definition| definition.name.as_str() == entity(kept)),
    };
    Ok(Kept::ALL.into_iter().filter_map(wanted).cloned().map(Arc::new).collect())
}

fn entity(kept: Kept) -> &'static str {
    match kept {
        Kept::Product => "product",
        Kept::Account => "account",
        Kept::Contact => "contact",
        Kept::Opportunity => "opportunity",
        Kept::Line => "opportunityproduct",
        Kept::Link => "adv_contact_opportunity",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entity_of_the_demo_is_defined() {
        let definitions = definitions().unwrap();
        for (kept, definition) in Kept::ALL.into_iter().zip(&definitions) {
            assert_eq!(definition.name.as_str(), entity(kept));
        }
        assert_eq!(definitions.len(), Kept::ALL.len());
        assert!(definitions.iter().any(|definition| definition.attributes.len() >= 100));
    }
}
