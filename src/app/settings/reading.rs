//! What a setting is, and what has been read of a file so far.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use toml::de::{DeTable, DeValue};

use super::mistake::Mistake;

/// What a setting is without being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fallback {
    /// It must be written.
    Required,
    /// It may be left out, and means nothing then.
    Absent,
    /// It is this then, as it would be written.
    Value(String),
}

/// One key: what it is called, what it may be, what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name; the unit comes last in it.
    pub name: &'static str,
    /// What may be written.
    pub form: String,
    /// What holds without it.
    pub fallback: Fallback,
    /// What it means, in one or two sentences.
    pub doc: &'static str,
}

impl Field {
    /// A key that must be written.
    pub(super) fn required(name: &'static str, form: &str, doc: &'static str) -> Self {
        Self { name, form: form.to_owned(), fallback: Fallback::Required, doc }
    }

    /// A key that may be left out.
    pub(super) fn optional(name: &'static str, form: &str, doc: &'static str) -> Self {
        Self { name, form: form.to_owned(), fallback: Fallback::Absent, doc }
    }

    /// A key with a default.
    pub(super) fn with_default(
        name: &'static str,
        form: &str,
        value: &str,
        doc: &'static str,
    ) -> Self {
        Self { name, form: form.to_owned(), fallback: Fallback::Value(value.to_owned()), doc }
    }
}

/// One table of the settings file, for `docs/settings.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// How the table is opened (`[[profile]]`).
    pub heading: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys, in the order in which they are read.
    pub fields: Vec<Field>,
}

/// What is wrong with a value, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub hint: String,
}

impl Complaint {
    /// A complaint.
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// What has been read of a file so far: its mistakes and its keys.
#[derive(Debug)]
pub(super) struct Reading {
    /// Where each line begins, in bytes.
    line_starts: Vec<usize>,
    /// What is wrong so far.
    pub mistakes: Vec<Mistake>,
    /// Every table that was read, once per heading.
    pub sections: Vec<Section>,
}

impl Reading {
    /// Begins to read `text`.
    pub(super) fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { line_starts, mistakes: Vec::new(), sections: Vec::new() }
    }

    /// Notes a mistake.
    pub(super) fn note(&mut self, line: Option<usize>, place: &str, complaint: Complaint) {
        let Complaint { what, hint } = complaint;
        self.mistakes.push(Mistake { line, place: place.to_owned(), what, hint });
    }

    /// The line of a byte of the text, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }
}

/// A table of the file and the line on which it begins.
#[derive(Debug)]
pub(super) struct Found<'t> {
    /// The line, from 1.
    pub line: usize,
    /// Its keys and values.
    pub table: DeTable<'t>,
}

/// An item of a list that may be short or long.
#[derive(Debug)]
pub(super) enum TextOrTable<'t> {
    /// A text, and its line.
    Text(usize, String),
    /// A table.
    Table(Found<'t>),
}

/// The text of a value; a date may stand without quotes.
///
/// # Errors
/// If it is none.
pub(super) fn text_of<'v>(value: &'v DeValue<'_>) -> Result<Cow<'v, str>, Complaint> {
    match value {
        DeValue::String(text) => Ok(Cow::Borrowed(text)),
        DeValue::Datetime(time) => Ok(Cow::Owned(time.to_string())),
        other => Err(wrong_kind(other, "a text in quotes")),
    }
}

/// The whole number of a value.
///
/// # Errors
/// If it is none, or out of the range.
pub(super) fn whole_of(
    value: &DeValue<'_>,
    range: &RangeInclusive<u64>,
    form: &str,
) -> Result<u64, Complaint> {
    let Some(integer) = value.as_integer() else {
        return Err(wrong_kind(value, form));
    };
    let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
    let fitting = number.and_then(|number| u64::try_from(number).ok());
    fitting.filter(|number| range.contains(number)).ok_or_else(|| {
        Complaint::new(format!("{integer} is out of range"), format!("write {form}"))
    })
}

/// A complaint that a value is of another kind; the value is not repeated.
pub(super) fn wrong_kind(value: &DeValue<'_>, form: &str) -> Complaint {
    let kind = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Complaint::new(format!("is {kind}"), format!("write {form}"))
}

/// The known name nearest to a mistyped one, if one is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(name, candidate);
    let near = known.into_iter().map(|candidate| (distance(candidate), candidate));
    let longest_distance = if name.len() < 4 { 1 } else { (name.len() / 3).max(2) };
    near.filter(|(distance, _)| *distance <= longest_distance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
