//! Two texts beside each other, as `diff -u` shows them.

use similar::TextDiff;

/// Nothing where they are the same.
pub fn unified((name, text): (&str, &str), (other_name, other): (&str, &str)) -> String {
    let diff = TextDiff::from_lines(text, other);
    let mut unified = diff.unified_diff();
    unified.context_radius(3).header(name, other_name);
    unified.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_are_marked() {
        let text = unified(("a", "one\ntwo\n"), ("b", "one\nthree\n"));
        assert_eq!(text, "--- a\n+++ b\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n");
        assert_eq!(unified(("a", "one\n"), ("b", "one\n")), "");
    }
}
