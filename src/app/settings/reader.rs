//! Reads tables of the settings file key by key, and remembers every key that it was asked for.
//!
//! A setting is defined by the one call that reads it: name, form, default and sentence. From that
//! call come its value, its place among the known keys (an unknown one is refused with the nearest)
//! and its line in `docs/settings.md`. Reading never stops at a mistake: it notes it and goes on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::de::DeValue;

use super::reading::{
    Complaint, Fallback, Field, Found, Reading, Section, TextOrTable, nearest, text_of, whole_of,
    wrong_kind,
};
use super::secret::SecretReference;

const FLAG: &str = "true or false";

/// A table that is being read.
#[derive(Debug)]
pub(super) struct TableReader<'r, 't> {
    reading: &'r mut Reading,
    section: Section,
    place: String,
    line: Option<usize>,
    values: BTreeMap<String, (usize, DeValue<'t>)>,
    /// Lines of the keys that were read and are in the file.
    lines: BTreeMap<String, usize>,
    tables: Vec<&'static str>,
}

impl<'r, 't> TableReader<'r, 't> {
    /// Begins to read a table. `place` names it in mistakes.
    pub(super) fn new(
        reading: &'r mut Reading,
        (heading, doc): (&'static str, &'static str),
        place: &str,
        found: Option<Found<'t>>,
    ) -> Self {
        let line = found.as_ref().map(|found| found.line);
        let mut values = BTreeMap::new();
        for (key, value) in found.map(|found| found.table).unwrap_or_default() {
            let line = reading.line(key.span().start);
            values.insert(key.into_inner().into_owned(), (line, value.into_inner()));
        }
        let section = Section { heading, doc, fields: Vec::new() };
        let place = place.to_owned();
        Self { reading, section, place, line, values, lines: BTreeMap::new(), tables: Vec::new() }
    }

    /// Names the table in mistakes from now on.
    pub(super) fn set_place(&mut self, place: String) {
        self.place = place;
    }

    /// Whether the file has this key, which must have been read.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }

    /// Notes a mistake about a key of the table, or about the whole table if `key` is empty.
    pub(super) fn mistake(&mut self, key: &str, complaint: Complaint) {
        let line = self.lines.get(key).copied().or(self.line);
        self.note(line, key, complaint);
    }

    fn note(&mut self, line: Option<usize>, key: &str, complaint: Complaint) {
        let place = match (self.place.as_str(), key) {
            (place, "") => place.to_owned(),
            ("", key) => key.to_owned(),
            (place, key) => format!("{place}, {key}"),
        };
        self.reading.note(line, &place, complaint);
    }

    /// Takes the value of a key out of the table; notes it if it must be there and is not.
    fn take(&mut self, field: Field) -> Option<DeValue<'t>> {
        let found = self.values.remove(field.name);
        match &found {
            Some((line, _)) => {
                self.lines.insert(field.name.to_owned(), *line);
            }
            None if field.fallback == Fallback::Required => {
                let complaint = Complaint::new("is missing", format!("write {}", field.form));
                self.mistake(field.name, complaint);
            }
            None => {}
        }
        self.section.fields.push(field);
        found.map(|(_, value)| value)
    }

    fn settle<T>(&mut self, key: &'static str, outcome: Result<T, Complaint>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(complaint) => {
                self.mistake(key, complaint);
                None
            }
        }
    }

    /// Reads a text by `read`; its default goes through `read` too.
    pub(super) fn text<T>(
        &mut self,
        field: Field,
        read: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        let name = field.name;
        let fallback = field.fallback.clone();
        let outcome = match (self.take(field), fallback) {
            (Some(value), _) => text_of(&value).and_then(|text| read(&text)),
            (None, Fallback::Value(text)) => read(&text),
            (None, Fallback::Required | Fallback::Absent) => return None,
        };
        self.settle(name, outcome)
    }

    /// Reads a whole number in a range.
    pub(super) fn whole(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
        doc: &'static str,
    ) -> u64 {
        let form = whole_form(&range);
        let value = self.take(Field::with_default(name, &form, &default.to_string(), doc));
        let Some(value) = value else {
            return default;
        };
        let outcome = whole_of(&value, &range, &form);
        self.settle(name, outcome).unwrap_or(default)
    }

    /// Reads a whole number in a range that may be left out.
    pub(super) fn optional_whole(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
        doc: &'static str,
    ) -> Option<u64> {
        let form = whole_form(&range);
        let value = self.take(Field::optional(name, &form, doc))?;
        let outcome = whole_of(&value, &range, &form);
        self.settle(name, outcome)
    }

    /// Reads `true` or `false`.
    pub(super) fn flag(&mut self, name: &'static str, default: bool, doc: &'static str) -> bool {
        let field = Field::with_default(name, FLAG, &default.to_string(), doc);
        self.read_flag(field).unwrap_or(default)
    }

    /// Reads `true` or `false`, where a third thing holds without it.
    pub(super) fn optional_flag(&mut self, name: &'static str, doc: &'static str) -> Option<bool> {
        self.read_flag(Field::optional(name, FLAG, doc))
    }

    fn read_flag(&mut self, field: Field) -> Option<bool> {
        let name = field.name;
        match self.take(field)? {
            DeValue::Boolean(flag) => Some(flag),
            other => {
                self.mistake(name, wrong_kind(&other, FLAG));
                None
            }
        }
    }

    /// Reads one of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&str, T)],
        default: Option<&str>,
        doc: &'static str,
    ) -> Option<T> {
        let form = words.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>();
        let form = form.join(" or ");
        let field = match default {
            Some(word) => Field::with_default(name, &form, word, doc),
            None => Field::required(name, &form, doc),
        };
        self.text(field, |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let hint = match nearest(text, words.iter().map(|(word, _)| *word)) {
                    Some(word) => format!("did you mean {word:?}? Known are {form}"),
                    None => format!("write {form}"),
                };
                Complaint::new(format!("{text:?} is not known"), hint)
            })
        })
    }

    /// Reads the path of a file or folder.
    pub(super) fn path(&mut self, field: Field) -> Option<PathBuf> {
        self.text(field, |text| match text {
            "" => Err(Complaint::new("is empty", "write a path")),
            path => Ok(PathBuf::from(path)),
        })
    }

    /// Reads where a secret is. What is written is never repeated: it may be the secret itself.
    pub(super) fn secret(
        &mut self,
        name: &'static str,
        doc: &'static str,
    ) -> Option<SecretReference> {
        let form = "\"env:NAME\" or \"file:PATH\"";
        self.text(Field::optional(name, form, doc), |text| {
            SecretReference::parse(text).ok_or_else(|| {
                let hint = format!(
                    "put the secret into an environment variable or a file and write {form}; if a \
                     password stood here, change it"
                );
                Complaint::new(
                    "holds a literal text; only the place of a secret may stand here",
                    hint,
                )
            })
        })
    }

    /// Reads a list of texts; one text alone is a list of one.
    pub(super) fn texts(&mut self, field: Field) -> Option<Vec<String>> {
        let name = field.name;
        let outcome = match self.take(field)? {
            DeValue::Array(array) => {
                array.iter().map(|item| text_of(item.get_ref()).map(Cow::into_owned)).collect()
            }
            single => text_of(&single).map(|text| vec![text.into_owned()]),
        };
        self.settle(name, outcome)
    }

    /// Reads a list whose items are texts or tables; `None` if one of them is neither.
    pub(super) fn texts_or_tables(&mut self, field: Field) -> Option<Vec<TextOrTable<'t>>> {
        let name = field.name;
        let value = self.take(field)?;
        let DeValue::Array(array) = value else {
            self.mistake(name, wrong_kind(&value, "a list"));
            return None;
        };
        let mut items = Vec::new();
        let count = array.len();
        for (at, item) in array.into_iter().enumerate() {
            let line = self.reading.line(item.span().start);
            match item.into_inner() {
                DeValue::String(text) => items.push(TextOrTable::Text(line, text.into_owned())),
                DeValue::Table(table) => items.push(TextOrTable::Table(Found { line, table })),
                other => {
                    let item = format!("{name}, item {}", at + 1);
                    self.note(Some(line), &item, wrong_kind(&other, "a text or a table"));
                }
            }
        }
        (items.len() == count).then_some(items)
    }

    /// Takes a table out, to be read by a reader of its own.
    pub(super) fn table(&mut self, name: &'static str) -> Option<Found<'t>> {
        self.tables.push(name);
        let (line, value) = self.values.remove(name)?;
        match value {
            DeValue::Table(table) => Some(Found { line, table }),
            other => {
                self.note(Some(line), name, wrong_kind(&other, &format!("a table [{name}]")));
                None
            }
        }
    }

    /// Takes a list of tables out (`[[name]]`).
    pub(super) fn tables(&mut self, name: &'static str) -> Vec<Found<'t>> {
        self.tables.push(name);
        let Some((line, value)) = self.values.remove(name) else {
            return Vec::new();
        };
        let form = format!("a list of tables [[{name}]]");
        let DeValue::Array(array) = value else {
            self.note(Some(line), name, wrong_kind(&value, &form));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in array {
            let line = self.reading.line(item.span().start);
            match item.into_inner() {
                DeValue::Table(table) => tables.push(Found { line, table }),
                other => self.note(Some(line), name, wrong_kind(&other, &form)),
            }
        }
        tables
    }

    /// Takes every table out, by the name that the user gave it; other values are mistakes.
    pub(super) fn named_tables(&mut self) -> Vec<(String, Found<'t>)> {
        let mut tables = Vec::new();
        for (name, (line, value)) in std::mem::take(&mut self.values) {
            match value {
                DeValue::Table(table) => tables.push((name, Found { line, table })),
                other => self.note(Some(line), &name, wrong_kind(&other, "a table")),
            }
        }
        tables
    }

    /// Takes every value out as text, by the name that the user gave it.
    pub(super) fn named_texts(&mut self) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        for (name, (line, value)) in std::mem::take(&mut self.values) {
            self.lines.insert(name.clone(), line);
            match value {
                DeValue::String(text) => texts.push((name, text.into_owned())),
                DeValue::Integer(number) if number.radix() == 10 => {
                    texts.push((name, number.as_str().to_owned()));
                }
                DeValue::Boolean(flag) => texts.push((name, flag.to_string())),
                other => self.note(Some(line), &name, wrong_kind(&other, "a text, number or flag")),
            }
        }
        texts
    }

    /// Ends the table: every key that was not asked for is a mistake.
    pub(super) fn finish(mut self) {
        let keys = self.section.fields.iter().map(|field| field.name);
        let known: Vec<&'static str> = keys.chain(self.tables.iter().copied()).collect();
        for (name, (line, _)) in std::mem::take(&mut self.values) {
            let hint = match nearest(&name, known.iter().copied()) {
                Some(key) => format!("did you mean {key}?"),
                None => "remove it; docs/settings.md lists every setting".to_owned(),
            };
            self.note(Some(line), &name, Complaint::new("there is no such setting", hint));
        }
        if !self.reading.sections.iter().any(|section| section.heading == self.section.heading) {
            self.reading.sections.push(self.section);
        }
    }
}

fn whole_form(range: &RangeInclusive<u64>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}
