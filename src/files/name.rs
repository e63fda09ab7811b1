//! Names of files that come from names of other things.

/// A name as a file or folder may have it everywhere, alone in its folder. One that has to be
/// altered gets a hash, so that two names never meet.
pub fn plain_name(name: &str) -> String {
    /// In bytes; file systems allow 255, and temporary files have longer names.
    const LONGEST: usize = 120;
    let allowed = |it: char| it.is_alphanumeric() || " +-_.,=()".contains(it);
    let mut kept = String::new();
    for letter in name.chars() {
        if kept.len() + letter.len_utf8() > LONGEST {
            break;
        }
        kept.push(if allowed(letter) { letter } else { '_' });
    }
    let kept = kept.trim_matches(['.', ' ']);
    match kept == name && !kept.is_empty() {
        true => kept.to_owned(),
        false => format!("{kept}-{}", &blake3::hash(name.as_bytes()).to_hex()[..8]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_files_of_their_own() {
        assert_eq!(plain_name("PGD-40, eps 0.03"), "PGD-40, eps 0.03");
        let long = "日".repeat(100);
        for odd in ["../../x", "a/b", "", "..", ".", " ", "a\nb", &long] {
            let plain = plain_name(odd);
            assert_eq!(
                std::path::Path::new(&plain).components().count(),
                1,
                "{plain:?}"
            );
            assert!(plain.len() < 140 && !plain.starts_with('.'), "{plain:?}");
        }
        assert_ne!(plain_name("a/b"), plain_name("a_b"));
        assert_ne!(plain_name("a/b"), plain_name("a:b"));
    }
}
