//! Who and what the organisation's records refer to.
//!
//! Four of these are records of the demo themselves; the others (users, currencies, regions and
//! so on) are only referred to, as in an export that leaves those tables out.

/// A kind of thing that a lookup may point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    /// A firm.
    Account,
    /// A person.
    Contact,
    /// A deal.
    Opportunity,
    /// One who works here.
    User,
    /// Several of them.
    Team,
    /// A part of the organisation.
    BusinessUnit,
    /// Euro, złoty, yen.
    Currency,
    /// Prices of a season.
    PriceLevel,
    /// A region of sales.
    Territory,
    /// Something sold.
    Product,
    /// Piece, metre, hour.
    Unit,
    /// A round of letters.
    Campaign,
    /// A first hint of a deal.
    Lead,
}

impl Party {
    /// All of them.
    pub(super) const ALL: [Self; 13] = [
        Self::Account,
        Self::Contact,
        Self::Opportunity,
        Self::User,
        Self::Team,
        Self::BusinessUnit,
        Self::Currency,
        Self::PriceLevel,
        Self::Territory,
        Self::Product,
        Self::Unit,
        Self::Campaign,
        Self::Lead,
    ];

    /// Logical name of its entity.
    pub(super) const fn entity(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Contact => "contact",
            Self::Opportunity => "opportunity",
            Self::User => "systemuser",
            Self::Team => "team",
            Self::BusinessUnit => "businessunit",
            Self::Currency => "transactioncurrency",
            Self::PriceLevel => "pricelevel",
            Self::Territory => "territory",
            Self::Product => "product",
            Self::Unit => "uom",
            Self::Campaign => "campaign",
            Self::Lead => "lead",
        }
    }

    /// The kind of thing that an entity holds; `None` if the organisation knows none of them.
    pub(super) fn of(entity: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|party| party.entity() == entity)
    }

    /// How many of them there are, for those that are only referred to.
    pub(super) fn pool_size(self) -> usize {
        match self {
            Self::Account | Self::Contact | Self::Opportunity | Self::Product => 0,
            Self::BusinessUnit | Self::Unit => 4,
            Self::Team | Self::Currency | Self::PriceLevel => 6,
            Self::Territory => 12,
            Self::User => 24,
            Self::Campaign => 30,
            Self::Lead => 200,
        }
    }
}
