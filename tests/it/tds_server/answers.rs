//! What a server answers that has nothing in it and does as it is told.

use std::collections::HashMap;

use super::script::Asked;
use super::tokens::{self, Kind, Value};

/// A client's session: the tables that it made for itself.
#[derive(Default)]
pub struct Session {
    staging: HashMap<String, Vec<(String, Kind)>>,
}

impl Session {
    /// Answers.
    pub fn answer(&mut self, asked: &Asked) -> Vec<u8> {
        match asked {
            Asked::Login(_) => {
                let mut bytes = tokens::signed_in();
                bytes.extend(tokens::info(5701, "Changed database context."));
                bytes.extend(tokens::done(0));
                bytes
            }
            Asked::Batch(text) => self.batch(text),
            _ => tokens::done(0),
        }
    }

    fn batch(&mut self, text: &str) -> Vec<u8> {
        if text.contains("'ProductMajorVersion'") {
            let number = |number| ("", Value::Int(number));
            return tokens::one_row(&[number(14), number(3), number(0), number(1)]);
        }
        for statement in text.split(";\n") {
            self.remember(statement);
        }
        if let Some(asked) = text.strip_prefix("SELECT TOP 0 ") {
            return self.shape(asked);
        }
        if text.contains("AS keepstep_answer") {
            return tokens::one_row(&[("keepstep_answer", Value::Text("done".to_owned()))]);
        }
        tokens::done(0)
    }

    /// The columns that a bulk load asks for.
    fn shape(&self, asked: &str) -> Vec<u8> {
        let (names, table) = asked.split_once(" FROM ").unwrap();
        let known = &self.staging[table.trim()];
        let of = |name: &str| known.iter().find(|(known, _)| known == name).unwrap().clone();
        let columns: Vec<_> =
            names.split(',').map(|name| of(name.trim().trim_matches(['[', ']']))).collect();
        let mut bytes = tokens::columns(&columns);
        bytes.extend(tokens::done(0));
        bytes
    }

    /// `CREATE TABLE #name (column type …, …)`, as keepstep writes it.
    fn remember(&mut self, statement: &str) {
        let Some(rest) = statement.trim_start().strip_prefix("CREATE TABLE #") else { return };
        let (name, rest) = rest.split_once(" (").unwrap();
        let columns = parts(rest.trim_end_matches([';', '\n']).strip_suffix(')').unwrap());
        let columns = columns.into_iter().map(|column| {
            let (name, rest) = column.split_once(' ').unwrap();
            (name.trim_matches(['[', ']']).to_owned(), kind(rest))
        });
        self.staging.insert(format!("#{name}"), columns.collect());
    }
}

/// Parts between commas that are in no parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn kind(definition: &str) -> Kind {
    let word = definition.split([' ', '(']).next().unwrap();
    let arguments = definition.strip_prefix(word).unwrap().strip_prefix('(');
    let arguments: Vec<&str> = arguments
        .and_then(|rest| rest.split_once(')'))
        .map_or_else(Vec::new, |(inside, _)| inside.split(',').map(str::trim).collect());
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u16>().ok());
    let small = |at: usize| u8::try_from(number(at).unwrap()).unwrap();
    match word {
        "tinyint" => Kind::Int(1),
        "int" => Kind::Int(4),
        "bigint" => Kind::Int(8),
        "bit" => Kind::Bit,
        "uniqueidentifier" => Kind::Guid,
        "nvarchar" => Kind::Text(number(0).map(|units| units * 2)),
        "varbinary" => Kind::Bytes(number(0)),
        "decimal" => Kind::Decimal { precision: small(0), scale: small(1) },
        "datetime2" => Kind::Time(small(0)),
        "float" => Kind::Float,
        _ => panic!("no such type in a script: {definition}"),
    }
}
