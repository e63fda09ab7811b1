//! Commands as a shell reads them.

/// The words on one line, quoted for POSIX shells where they need it.
pub fn quoted<S: AsRef<str>>(words: &[S]) -> String {
    let words = words.iter().map(|word| quote(word.as_ref()));
    words.collect::<Vec<_>>().join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        // Within single quotes nothing has a meaning but the quote itself.
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn plain_words_stay_as_they_are() {
        assert_eq!(
            quoted(&["rhobust", "--set", "eps=8/255", ""]),
            "rhobust --set eps=8/255 ''"
        );
    }

    #[test]
    fn a_shell_reads_the_words_back() {
        let words = [
            "a b", "it's", "$HOME", "`ls`", "\\", "a;b|c&d", "*?[x]", "~", "", "größe", "\"",
        ];
        let script = format!("printf '%s\\0' {}", quoted(&words));
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let read: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
        assert_eq!(read, words);
    }
}
