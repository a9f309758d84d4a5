//! How values are made: which kind of value belongs into a field, judged by its type and name.
//!
//! A maker knows no record and no order; it throws dice. What fields of one record have to do with
//! each other is `rules`' work.

use std::ops::RangeInclusive;

use super::party::Party;
use crate::model::entity::{Attribute, AttributeKind};

/// Makes the values of one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Maker {
    /// The field stays empty.
    Never,
    /// The record's own id.
    OwnId,
    /// Another field of the record decides.
    Ruled,
    /// An id that refers to nothing.
    Id,
    /// Yes or no.
    Flag,
    /// A whole number.
    Whole(RangeInclusive<i64>),
    /// A number of units with digits after the point, some of them finer than the column.
    Number(RangeInclusive<i64>),
    /// Where the record's city is, north or south.
    Latitude,
    /// Where the record's city is, east or west.
    Longitude,
    /// When the record was made.
    MadeAt,
    /// When it was changed last.
    ChangedAt,
    /// A moment around now, so many days from it.
    Moment(RangeInclusive<i64>),
    /// A day, counted from 1970.
    Day(RangeInclusive<i64>),
    /// One option.
    Option(Vec<i32>),
    /// A status reason, with its state.
    Status(Vec<(i32, i32)>),
    /// Some options.
    Options(Vec<i32>),
    /// Text.
    Words(Words),
    /// A reference.
    Link(Vec<Party>),
}

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// A firm's name.
    Firm,
    /// What a deal is about.
    Deal,
    /// Something sold.
    Product,
    /// A first name.
    First,
    /// A last name.
    Last,
    /// First and last name of somebody.
    Somebody,
    /// A position.
    Post,
    /// A telephone number.
    Telephone,
    /// A mail address.
    Mail,
    /// A web address.
    Web,
    /// A street and a number.
    Street,
    /// The record's city.
    City,
    /// Its region.
    Region,
    /// Its country.
    Country,
    /// A postal code in it.
    Postal,
    /// Letters and digits.
    Code,
    /// A short remark.
    Remark,
    /// Sentences.
    Note,
}

/// The maker of an attribute, and how often in a thousand the field is filled.
pub(super) fn maker(attribute: &Attribute, primary_id: &str) -> (Maker, usize) {
    let name = attribute.name.as_str();
    if name == primary_id {
        return (Maker::OwnId, 1_000);
    }
    let base = name.strip_suffix("_base").is_some();
    match &attribute.kind {
        AttributeKind::Boolean => (Maker::Flag, 900),
        AttributeKind::Integer => whole(name),
        AttributeKind::BigInt if name == "versionnumber" => (Maker::Never, 0),
        // Beyond what a binary float holds exactly.
        AttributeKind::BigInt => (Maker::Whole(600_000_000_000_000_000..=i64::MAX), 250),
        AttributeKind::Money { .. } if base => (Maker::Ruled, 0),
        AttributeKind::Money { .. } => money(name),
        AttributeKind::Decimal { .. } if name == "exchangerate" => (Maker::Ruled, 0),
        AttributeKind::Decimal { .. } | AttributeKind::Double { .. } => number(name),
        AttributeKind::Text { .. } => words(name, primary_id),
        AttributeKind::Memo => (Maker::Words(Words::Note), 350),
        AttributeKind::Guid if name.ends_with("addressid") => (Maker::Id, 800),
        AttributeKind::Guid | AttributeKind::Image => (Maker::Id, 60),
        AttributeKind::DateTime => moment(name),
        AttributeKind::Lookup { targets } => link(name, targets),
        AttributeKind::Choice { options, .. } => choice(name, options),
        AttributeKind::Choices { options } => {
            (Maker::Options(options.iter().map(|option| option.value).collect()), 550)
        }
        AttributeKind::PartyList | AttributeKind::EntityName | AttributeKind::NoColumn => {
            (Maker::Never, 0)
        }
    }
}

fn whole(name: &str) -> (Maker, usize) {
    let (range, fill) = match name {
        "numberofemployees" => (1..=48_000, 800),
        "numberofchildren" => (0..=5, 400),
        "closeprobability" => (0..=100, 900),
        "sharesoutstanding" => (100_000..=i64::from(i32::MAX), 150),
        "lineitemnumber" | "sequencenumber" => (1..=40, 1_000),
        "quantitydecimal" => (0..=5, 1_000),
        name if name.ends_with("utcoffset") => (-720..=840, 200),
        name if name.ends_with("_state") => (0..=3, 150),
        name if name.starts_with("open") => (0..=60, 300),
        _ => (i64::from(i32::MIN)..=i64::from(i32::MAX), 60),
    };
    (Maker::Whole(range), fill)
}

fn money(name: &str) -> (Maker, usize) {
    match name {
        "baseamount" | "extendedamount" => (Maker::Ruled, 0),
        "priceperunit" | "price" | "standardcost" | "currentcost" => {
            (Maker::Number(1..=9_000), 1_000)
        }
        "manualdiscountamount" => (Maker::Number(-40..=0), 200),
        "tax" => (Maker::Number(0..=900), 700),
        "revenue" | "estimatedvalue" | "creditlimit" => (Maker::Number(10_000..=90_000_000), 800),
        _ => (Maker::Number(-2_000..=2_000_000), 250),
    }
}

fn number(name: &str) -> (Maker, usize) {
    match name {
        "quantity" => (Maker::Number(1..=250), 1_000),
        name if name.ends_with("latitude") => (Maker::Latitude, 500),
        name if name.ends_with("longitude") => (Maker::Longitude, 500),
        name if name.contains("percent") => (Maker::Number(0..=99), 400),
        _ => (Maker::Number(-500..=500), 500),
    }
}

fn moment(name: &str) -> (Maker, usize) {
    match name {
        "createdon" => (Maker::MadeAt, 1_000),
        "modifiedon" => (Maker::ChangedAt, 1_000),
        // From 1926 on: most of them before 1970.
        "birthdate" => (Maker::Day(-16_000..=13_500), 600),
        "anniversary" => (Maker::Day(5_000..=20_000), 150),
        name if name.starts_with("estimated") || name.contains("decision") => {
            (Maker::Day(20_000..=21_500), 700)
        }
        _ => (Maker::Moment(-900..=500), 150),
    }
}

fn link(name: &str, targets: &[compact_str::CompactString]) -> (Maker, usize) {
    let parties: Vec<Party> = targets.iter().filter_map(|target| Party::of(target)).collect();
    let fill = match name {
        // What belongs to whom is decided when the record is made.
        "opportunityid" => return (Maker::Ruled, 0),
        "ownerid" | "createdby" | "modifiedby" | "owningbusinessunit" | "productid" | "uomid" => {
            1_000
        }
        "transactioncurrencyid" => return (Maker::Ruled, 0),
        "parentcustomerid" | "customerid" => 900,
        "primarycontactid" | "parentaccountid" | "parentcontactid" => 450,
        _ => 120,
    };
    if parties.is_empty() { (Maker::Never, 0) } else { (Maker::Link(parties), fill) }
}

fn choice(name: &str, options: &[crate::model::entity::ChoiceOption]) -> (Maker, usize) {
    match name {
        "statecode" => (Maker::Ruled, 0),
        "statuscode" => {
            let pairs = options.iter().map(|option| (option.value, option.state.unwrap_or(0)));
            (Maker::Status(pairs.collect()), 1_000)
        }
        _ if options.is_empty() => (Maker::Never, 0),
        _ => (Maker::Option(options.iter().map(|option| option.value).collect()), 300),
    }
}

fn words(name: &str, primary_id: &str) -> (Maker, usize) {
    let (words, fill) = match name {
        "fullname" => return (Maker::Ruled, 0),
        "name" if primary_id == "opportunityid" => (Words::Deal, 1_000),
        "name" if primary_id == "productid" => (Words::Product, 1_000),
        "name" => (Words::Firm, 1_000),
        "opportunityproductname" | "productname" => (Words::Product, 600),
        "firstname" => (Words::First, 950),
        "lastname" => (Words::Last, 1_000),
        "accountnumber" | "productnumber" => (Words::Code, 1_000),
        "jobtitle" => (Words::Post, 700),
        "websiteurl" => (Words::Web, 500),
        _ => return words_by_part(name),
    };
    (Maker::Words(words), fill)
}

/// Texts of which there are many: the address says how often, the rest of the name says what.
fn words_by_part(name: &str) -> (Maker, usize) {
    let fill = match name.split('_').next() {
        Some("address1") => 850,
        Some("address2") => 150,
        Some("address3") => 30,
        _ => 300,
    };
    let part = name.split_once('_').map_or(name, |(_, part)| part);
    let says = |word: &str| part.contains(word);
    let (words, fill) = match part {
        "city" => (Words::City, fill),
        "stateorprovince" | "county" => (Words::Region, fill / 2),
        "country" => (Words::Country, fill),
        "postalcode" => (Words::Postal, fill),
        "line1" => (Words::Street, fill),
        "line2" | "line3" => (Words::Remark, fill / 8),
        "emailaddress1" => (Words::Mail, 900),
        "telephone1" => (Words::Telephone, fill.max(700)),
        "traversedpath" | "timespentbymeonemailandmeetings" => (Words::Code, 20),
        _ if says("phone") || says("fax") || says("pager") || says("home2") => {
            (Words::Telephone, fill / 4)
        }
        _ if says("mail") => (Words::Mail, 100),
        _ if says("url") => (Words::Web, 80),
        _ if says("name") => (Words::Somebody, fill / 4),
        _ if says("id") || says("number") || says("symbol") || says("zone") => {
            (Words::Code, fill / 3)
        }
        _ => (Words::Remark, fill / 2),
    };
    (Maker::Words(words), fill)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &str, kind: AttributeKind) -> Attribute {
        Attribute {
            name: name.into(),
            kind,
            labels: Vec::new(),
            origin: crate::model::entity::Origin::default(),
        }
    }

    fn text(name: &str) -> Maker {
        let kind = AttributeKind::Text { max_length: Some(100) };
        maker(&attribute(name, kind), "contactid").0
    }

    #[test]
    fn a_field_gets_what_its_name_says() {
        assert_eq!(text("address1_city"), Maker::Words(Words::City));
        assert_eq!(text("address2_telephone2"), Maker::Words(Words::Telephone));
        assert_eq!(text("emailaddress3"), Maker::Words(Words::Mail));
        assert_eq!(text("managername"), Maker::Words(Words::Somebody));
        assert_eq!(text("fullname"), Maker::Ruled);
        let targets = vec!["account".into(), "contact".into(), "unheard_of".into()];
        let customer = attribute("parentcustomerid", AttributeKind::Lookup { targets });
        assert_eq!(
            maker(&customer, "contactid").0,
            Maker::Link(vec![Party::Account, Party::Contact])
        );
        let unknown = AttributeKind::Lookup { targets: vec!["sla".into()] };
        assert_eq!(maker(&attribute("slaid", unknown), "contactid").0, Maker::Never);
    }
}
