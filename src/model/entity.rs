//! What the source says an entity looks like: its attributes, their types, lengths and labels.
//!
//! Read from two shapes by `model::entity_json`; turned into a table by `model::table`.

use compact_str::CompactString;

use uuid::Uuid;

use super::record::EntityName;

/// Definition of one entity of the source.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityDefinition {
    /// Logical name.
    pub name: EntityName,
    /// The attribute that holds the record's own id (`accountid`).
    pub primary_id: CompactString,
    /// Set for the intersect entity of an N:N relationship.
    pub intersect: Option<Intersect>,
    /// Attributes in the order of the definition, without repeats.
    pub attributes: Vec<Attribute>,
}

/// The two sides of an N:N relationship, in the order in which it names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intersect {
    /// Schema name of the relationship (`accountleads_association`).
    pub relationship: CompactString,
    /// First side.
    pub first: IntersectSide,
    /// Second side.
    pub second: IntersectSide,
}

/// One side of an N:N relationship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntersectSide {
    /// The entity on this side.
    pub entity: EntityName,
    /// The attribute of the intersect entity that holds this side's id.
    pub attribute: CompactString,
}

/// One attribute of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Logical name, lower case.
    pub name: CompactString,
    /// Its type.
    pub kind: AttributeKind,
    /// Display labels by language.
    pub labels: Vec<Label>,
    /// What the source calls it.
    pub origin: Origin,
}

/// How the source names an attribute, beyond what its column needs to know: for metadata tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The source's name of its type (`Picklist`, `Owner`); empty where nobody said it.
    pub type_name: CompactString,
    /// The source's id of the attribute.
    pub metadata_id: Option<Uuid>,
    /// Whether its option set is shared with other attributes.
    pub global_option_set: bool,
    /// For a multi-select choice: name of its option set. (A choice's stands in its kind.)
    pub option_set: Option<CompactString>,
    /// For a boolean: the options of its two values, where the definition lists them.
    pub boolean_options: Vec<ChoiceOption>,
}

impl Attribute {
    /// An attribute of which nothing is known but its name and type.
    pub fn new(name: &str, kind: AttributeKind) -> Self {
        let name = CompactString::new(name);
        Self { name, kind, labels: Vec::new(), origin: Origin::default() }
    }

    /// Name of its option set, where one is known.
    pub fn option_set(&self) -> Option<&CompactString> {
        match &self.kind {
            AttributeKind::Choice { option_set, .. } => option_set.as_ref(),
            _ => self.origin.option_set.as_ref(),
        }
    }

    /// Its options, where the definition lists them.
    pub fn options(&self) -> &[ChoiceOption] {
        match &self.kind {
            AttributeKind::Choice { options, .. } | AttributeKind::Choices { options } => options,
            _ => &self.origin.boolean_options,
        }
    }

    /// The source's name of its type.
    pub fn type_name(&self) -> &str {
        if !self.origin.type_name.is_empty() {
            return &self.origin.type_name;
        }
        match self.kind {
            AttributeKind::Boolean => "Boolean",
            AttributeKind::Integer => "Integer",
            AttributeKind::BigInt => "BigInt",
            AttributeKind::Decimal { .. } => "Decimal",
            AttributeKind::Double { .. } => "Double",
            AttributeKind::Money { .. } => "Money",
            AttributeKind::Text { .. } => "String",
            AttributeKind::Memo => "Memo",
            AttributeKind::Guid => "Uniqueidentifier",
            AttributeKind::DateTime => "DateTime",
            AttributeKind::Lookup { .. } => "Lookup",
            AttributeKind::Choice { .. } => "Picklist",
            AttributeKind::Choices { .. } => "MultiSelectPicklist",
            AttributeKind::PartyList => "PartyList",
            AttributeKind::EntityName => "EntityName",
            AttributeKind::Image => "Image",
            AttributeKind::NoColumn => "Virtual",
        }
    }
}

/// A text in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Windows language code (1033 is English).
    pub language: i32,
    /// The text.
    pub text: String,
}

/// One option of a choice, with its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceOption {
    /// Its number.
    pub value: i32,
    /// For a status reason: the state it belongs to.
    pub state: Option<i32>,
    /// Labels by language.
    pub labels: Vec<Label>,
}

/// Type of an attribute, with what its column needs to know.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeKind {
    /// `Boolean`.
    Boolean,
    /// `Integer`.
    Integer,
    /// `BigInt`.
    BigInt,
    /// `Decimal`, digits after the point (0 to 10).
    Decimal {
        /// Digits after the point.
        precision: u8,
    },
    /// `Double`, digits after the point (0 to 5 in the source).
    Double {
        /// Digits after the point.
        precision: u8,
    },
    /// `Money`, digits after the point (0 to 4; its `_base` companion up to 10).
    Money {
        /// Digits after the point.
        precision: u8,
    },
    /// `String`; length in UTF-16 units, `None` where the source declares none.
    Text {
        /// Longest text in UTF-16 units.
        max_length: Option<u32>,
    },
    /// `Memo`: long text.
    Memo,
    /// `Uniqueidentifier`.
    Guid,
    /// `DateTime`, of any behaviour and format.
    DateTime,
    /// `Lookup`, `Customer`, `Owner`: a reference that may point to several entities.
    Lookup {
        /// Logical names of the entities that it may point to.
        targets: Vec<CompactString>,
    },
    /// `Picklist`, `State`, `Status`.
    Choice {
        /// Name of the option set.
        option_set: Option<CompactString>,
        /// Its options, where the definition lists them.
        options: Vec<ChoiceOption>,
    },
    /// `MultiSelectPicklist`.
    Choices {
        /// Its options, where the definition lists them.
        options: Vec<ChoiceOption>,
    },
    /// `PartyList`.
    PartyList,
    /// `EntityName`: the logical name of an entity, as text.
    EntityName,
    /// `Image`: the picture itself, which is not exported (its id is an attribute of its own).
    Image,
    /// A type that has no column (calendar rules, managed properties, virtual attributes, files).
    NoColumn,
}
