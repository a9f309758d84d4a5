//! Looks for record content where none may be.

use std::path::Path;

/// Every file below `folder` that holds one of `canaries`.
pub(super) fn seen_in(folder: &Path, canaries: &[String]) -> Vec<String> {
    let mut seen = Vec::new();
    let mut folders = vec![folder.to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let places =
                canaries.iter().filter_map(|canary| Some((canary, place(&bytes, canary)?)));
            seen.extend(places.map(|(canary, at)| {
                let around = &bytes[at.saturating_sub(200)..(at + 100).min(bytes.len())];
                let around = String::from_utf8_lossy(around);
                format!("{} holds {canary}: …{around}…", path.display())
            }));
        }
    }
    assert!(files > 0, "there are files to look into");
    seen
}

/// Where `bytes` hold a text.
pub(super) fn place(bytes: &[u8], canary: &str) -> Option<usize> {
    let first = *canary.as_bytes().first()?;
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == first);
    starts.map(|(at, _)| at).find(|at| bytes[*at..].starts_with(canary.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_wherever_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        std::fs::write(folder.path().join("deep/file"), b"\0\xffccanary7\0").unwrap();
        let seen = |canary: &str| seen_in(folder.path(), &[canary.to_owned()]).len();
        assert_eq!((seen("canary7"), seen("canary8")), (1, 0));
    }
}
