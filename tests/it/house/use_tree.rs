//! Reads `use` statements and inline paths of a source file, without a parser of Rust.

/// The full paths that a file names after `crate::` or as a first segment, with their lines.
///
/// `use a::{b::c, d as e};` gives `a::b::c` and `a::d`.
pub fn used_paths<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in lines {
        let code = line.split("//").next().unwrap_or("").trim();
        let begins = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];
        let rest = begins.iter().find_map(|begin| code.strip_prefix(begin));
        if let Some((_, statement)) = &mut open {
            statement.push_str(code);
        } else if let Some(rest) = rest {
            open = Some((number, rest.to_owned()));
        } else {
            let inline = code.match_indices("crate::").map(|(at, _)| path_at(&code[at..]));
            paths.extend(inline.map(|path| (number, path)));
        }
        if open.as_ref().is_some_and(|(_, statement)| statement.ends_with(';')) {
            let (number, statement) = open.take().unwrap();
            let tree = statement.trim_end_matches(';');
            paths.extend(expanded(tree).into_iter().map(|path| (number, path)));
        }
    }
    paths
}

fn path_at(code: &str) -> String {
    let end = code.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    code[..end.unwrap_or(code.len())].trim_end_matches(':').to_owned()
}

/// Every path of a tree of uses.
fn expanded(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or(tree).trim().to_owned()];
    };
    let inner = rest.strip_suffix('}').unwrap_or(rest);
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(c);
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expanded(&format!("{}{}", prefix.trim(), part.trim()))).collect()
}

#[test]
fn trees_are_expanded() {
    let text =
        "use a::{\n    b::{c, d as e},\n    f,\n};\nlet x = crate::model::x(1); // crate::y\n";
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let found = used_paths(lines);
    let paths: Vec<&str> = found.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(paths, ["a::b::c", "a::b::d", "a::f", "crate::model::x"]);
    assert_eq!(found[3].0, 5);
}
