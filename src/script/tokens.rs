//! The tokens of a script's text and how far each of them reaches.
//!
//! Read for error reports, where there is no syntax tree: the text may not even parse.

use rhai::{Engine, Token};

/// A token and where it begins; line and column count from 1.
pub(super) struct Lexeme {
    pub token: Token,
    pub line: usize,
    pub column: usize,
}

/// All tokens of `text`. An interpolated string comes as its first part and the tokens of the
/// expressions in it.
pub(super) fn tokens(engine: &Engine, text: &str) -> Vec<Lexeme> {
    let texts = [text];
    let (stream, control) = engine.lex(&texts);
    let mut lexemes = Vec::new();
    let mut depth = 0_usize;
    // The depths of the braces that hold interpolated expressions.
    let mut interpolations = Vec::new();
    let mut continued = false;
    // At the end of the text the lexer repeats its last token for ever.
    for (token, position) in stream.take_while(|(token, _)| *token != Token::EOF) {
        let rest_of_string = std::mem::take(&mut continued);
        match &token {
            Token::InterpolatedString(_) => interpolations.push(depth + 1),
            Token::LeftBrace | Token::MapStart => depth += 1,
            Token::RightBrace => {
                if interpolations.last() == Some(&depth) {
                    interpolations.pop();
                    // The lexer cannot know; the parser tells it, and so do we.
                    control.borrow_mut().is_within_text = true;
                    continued = true;
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        if !rest_of_string {
            lexemes.push(Lexeme {
                token,
                line: position.line().unwrap_or(1),
                column: position.position().unwrap_or(1),
            });
        }
    }
    lexemes
}

/// Operators and brackets of more than one character, longer ones first.
const SYMBOLS: [&str; 29] = [
    "..=", "**=", ">>=", "<<=", "#{", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=", "*=", "/=",
    "%=", "&=", "|=", "^=", "**", "<<", ">>", "=>", "->", "::", "..", "??", "?.", "?[",
];

/// The length in bytes of the token at the beginning of `text`: a name with its path
/// (`global::K`), a number, a whole string, an operator, or one character.
pub(super) fn token_length(text: &str) -> usize {
    let Some(first) = text.chars().next() else {
        return 0;
    };
    match first {
        c if is_name(c) && !c.is_ascii_digit() => path_length(text),
        c if c.is_ascii_digit() => number_length(text),
        '"' | '\'' | '`' => string_length(text, first),
        c => {
            let symbol = SYMBOLS.iter().find(|symbol| text.starts_with(**symbol));
            symbol.map_or(c.len_utf8(), |symbol| symbol.len())
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn name_length(text: &str) -> usize {
    text.find(|c| !is_name(c)).unwrap_or(text.len())
}

fn path_length(text: &str) -> usize {
    let mut length = name_length(text);
    while let Some(rest) = text[length..].strip_prefix("::") {
        match name_length(rest) {
            0 => break,
            more => length += 2 + more,
        }
    }
    length
}

/// `12`, `0xff`, `0.5`, `1e-3`; in `0..3` and `1.abs()` the point is not part of the number.
fn number_length(text: &str) -> usize {
    let mut length = name_length(text);
    let fraction = text[length..].strip_prefix('.');
    if fraction.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        length += 1 + name_length(&text[length + 1..]);
    }
    let exponent = text[..length].ends_with(['e', 'E']) && !text.starts_with("0x");
    if exponent && text[length..].starts_with(['+', '-']) {
        length += 1 + name_length(&text[length + 1..]);
    }
    length
}

/// Up to the closing quote, or to the end of the text.
fn string_length(text: &str, quote: char) -> usize {
    let mut at = quote.len_utf8();
    while let Some(c) = text[at..].chars().next() {
        match c {
            c if c == quote => return at + c.len_utf8(),
            '\\' if quote != '`' => {
                let escaped = text[at + 1..].chars().next();
                at += 1 + escaped.map_or(0, char::len_utf8);
            }
            // Only a raw string in backticks goes on behind the end of the line.
            '\n' if quote != '`' => return at,
            '$' if quote == '`' && text[at..].starts_with("${") => {
                at += 1 + braced_length(&text[at + 1..]);
            }
            c => at += c.len_utf8(),
        }
    }
    text.len()
}

/// An expression in braces with all that nests in it.
fn braced_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        match c {
            '"' | '\'' | '`' => at += string_length(rest, c),
            '{' => {
                depth += 1;
                at += 1;
            }
            '}' if depth == 1 => return at + 1,
            '}' => {
                depth -= 1;
                at += 1;
            }
            c => at += c.len_utf8(),
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> &str {
        &text[..token_length(text)]
    }

    #[test]
    fn a_token_reaches_to_its_end() {
        for (text, expected) in [
            ("pgd(#{ eps: 1 })", "pgd"),
            ("global::K + 1", "global::K"),
            ("t::", "t"),
            ("12..20", "12"),
            ("1.abs()", "1"),
            ("2.5e-3+1", "2.5e-3"),
            ("0xfe-3", "0xfe"),
            (r#""a\"b" + c"#, r#""a\"b""#),
            ("\"open\nlet", "\"open"),
            ("`a ${f(\"}\", `${x}`)} b`;", "`a ${f(\"}\", `${x}`)} b`"),
            ("`two\nlines` + 1", "`two\nlines`"),
            ("+= 2", "+="),
            ("- 2", "-"),
            ("#{ a: 1 }", "#{"),
            ("é", "é"),
            ("", ""),
        ] {
            assert_eq!(first(text), expected);
        }
    }

    #[test]
    fn interpolated_strings_do_not_confuse_what_follows() {
        let text = "let a = `x ${ #{ b: 1 }.b } it's ${a}`; let c = 2;";
        let names: Vec<_> = tokens(&Engine::new(), text)
            .into_iter()
            .filter_map(|lexeme| match lexeme.token {
                Token::Identifier(name) => Some(name.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["a", "b", "b", "a", "c"]);
    }
}
