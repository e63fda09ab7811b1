//! The pieces of an input that is being typed: what colours, completion and brackets need.
//!
//! Unlike Rhai's lexer it accepts unfinished text, keeps comments and knows where pieces end.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Comment,
    String,
    Number,
    Keyword,
    Name,
    /// An opening bracket of any kind, `#{` among them.
    Open,
    Close,
    Symbol,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub kind: Kind,
    pub range: Range<usize>,
    /// Whether a string or a comment lacks its end.
    pub open: bool,
}

impl Piece {
    pub fn text<'a>(&self, input: &'a str) -> &'a str {
        &input[self.range.clone()]
    }
}

pub const KEYWORDS: [&str; 26] = [
    "let", "const", "if", "else", "switch", "do", "while", "until", "loop", "for", "in",
    "continue", "break", "return", "throw", "try", "catch", "fn", "private", "import", "export",
    "as", "global", "this", "true", "false",
];

/// The pieces of `input` in their order, white space left out. An interpolated string comes as
/// its parts with the pieces of the expressions between them.
pub fn scan(input: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut depth = 0_usize;
    // The depths of the brackets `${` that are open.
    let mut interpolations = Vec::new();
    // Whether a part of an interpolated string follows.
    let mut within = false;
    loop {
        let rest = &input[at..];
        if std::mem::take(&mut within) {
            let (length, end) = part_of_string(rest);
            let range = at..at + length;
            at += length;
            let open = matches!(end, Part::Unfinished);
            let kind = Kind::String;
            pieces.push(Piece { kind, range, open });
            if let Part::Interpolation = end {
                depth += 1;
                interpolations.push(depth);
                pieces.push(Piece {
                    kind: Kind::Open,
                    range: at..at + 2,
                    open: false,
                });
                at += 2;
            }
            continue;
        }
        let Some(first) = rest.chars().next() else {
            return pieces;
        };
        let (kind, length, open) = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '/' if rest.starts_with("//") => {
                (Kind::Comment, rest.find('\n').unwrap_or(rest.len()), false)
            }
            '/' if rest.starts_with("/*") => match rest.find("*/") {
                Some(end) => (Kind::Comment, end + 2, false),
                None => (Kind::Comment, rest.len(), true),
            },
            '`' => {
                let (length, end) = part_of_string(&rest[1..]);
                within = matches!(end, Part::Interpolation);
                match within {
                    // The next round reads the part again, from behind the quote.
                    true => (Kind::String, 1, false),
                    false => (Kind::String, 1 + length, matches!(end, Part::Unfinished)),
                }
            }
            '"' | '\'' => {
                let (length, open) = string(rest, first);
                (Kind::String, length, open)
            }
            '0'..='9' => (Kind::Number, number(rest), false),
            c if c.is_alphabetic() || c == '_' => {
                let length = length_while(rest, |c| c.is_alphanumeric() || c == '_');
                let kind = match KEYWORDS.contains(&&rest[..length]) {
                    true => Kind::Keyword,
                    false => Kind::Name,
                };
                (kind, length, false)
            }
            '#' if rest.starts_with("#{") => {
                depth += 1;
                (Kind::Open, 2, false)
            }
            '(' | '[' | '{' => {
                depth += 1;
                (Kind::Open, 1, false)
            }
            ')' | ']' | '}' => {
                if interpolations.last() == Some(&depth) {
                    interpolations.pop();
                    within = true;
                }
                depth = depth.saturating_sub(1);
                (Kind::Close, 1, false)
            }
            ':' if rest.starts_with("::") => (Kind::Symbol, 2, false),
            c => (Kind::Symbol, c.len_utf8(), false),
        };
        pieces.push(Piece {
            kind,
            range: at..at + length,
            open,
        });
        at += length;
    }
}

/// How a part of a string in backticks ends.
enum Part {
    Closed,
    Interpolation,
    Unfinished,
}

/// The length of what stands before `${`, or up to the closing backtick with it.
fn part_of_string(text: &str) -> (usize, Part) {
    let end = text.find('`').map(|at| at + 1);
    match text.find("${") {
        Some(at) if end.is_none_or(|end| at < end) => (at, Part::Interpolation),
        _ => match end {
            Some(end) => (end, Part::Closed),
            None => (text.len(), Part::Unfinished),
        },
    }
}

fn length_while(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The length of a string with its quotes, and whether the closing one is missing.
fn string(text: &str, quote: char) -> (usize, bool) {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return (at, true),
            c if c == quote => return (at + 1, false),
            _ => {}
        }
    }
    (text.len(), true)
}

/// `1`, `0xff`, `1_000`, `2.5e-3`; `1..3` and `1.max(2)` are a number and more.
fn number(text: &str) -> usize {
    let whole = length_while(text, |c| c.is_ascii_alphanumeric() || c == '_');
    if text[..whole].starts_with("0x") {
        return whole;
    }
    let fraction = match text[whole..].strip_prefix('.') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
            1 + length_while(rest, |c| c.is_ascii_alphanumeric() || c == '_')
        }
        _ => 0,
    };
    let length = whole + fraction;
    match text[..length].ends_with(['e', 'E']) && text[length..].starts_with(['-', '+']) {
        true => length + 1 + length_while(&text[length + 1..], |c| c.is_ascii_digit()),
        false => length,
    }
}

/// The brackets that are open at the end of `pieces`, outermost first, by their place.
pub fn open_brackets(pieces: &[Piece]) -> Vec<usize> {
    let mut open = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        match piece.kind {
            Kind::Open => open.push(at),
            Kind::Close => {
                open.pop();
            }
            _ => {}
        }
    }
    open
}

/// The bracket that belongs to the one at `at`.
pub fn partner(pieces: &[Piece], at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    let step = |piece: &Piece| match piece.kind {
        Kind::Open => 1,
        Kind::Close => -1,
        _ => 0,
    };
    match pieces.get(at)?.kind {
        Kind::Open => pieces
            .iter()
            .enumerate()
            .skip(at)
            .find_map(|(index, piece)| {
                depth += step(piece);
                (depth == 0).then_some(index)
            }),
        Kind::Close => pieces[..=at]
            .iter()
            .enumerate()
            .rev()
            .find_map(|(index, piece)| {
                depth += step(piece);
                (depth == 0).then_some(index)
            }),
        _ => None,
    }
}

/// Whether more must follow: an open bracket, string or comment, or an operator at the end.
pub fn is_unfinished(input: &str) -> bool {
    let pieces = scan(input);
    if pieces
        .iter()
        .any(|piece| piece.open && !piece.text(input).starts_with(['"', '\'']))
    {
        return true;
    }
    if !open_brackets(&pieces).is_empty() {
        return true;
    }
    let last = pieces
        .iter()
        .rev()
        .find(|piece| piece.kind != Kind::Comment);
    last.is_some_and(|last| {
        let text = last.text(input);
        match last.kind {
            Kind::Symbol => !matches!(text, ";" | "?" | "_" | "!"),
            Kind::Keyword => matches!(text, "else" | "in" | "as" | "import" | "let" | "const"),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(input: &str) -> Vec<(Kind, &str)> {
        scan(input)
            .into_iter()
            .map(|piece| (piece.kind, &input[piece.range]))
            .collect()
    }

    #[test]
    fn pieces_have_their_kinds_and_ends() {
        use Kind::*;
        assert_eq!(
            kinds("let x = pgd(#{ eps: 8.0e-3 }); // far\n`a\"b`.len()"),
            [
                (Keyword, "let"),
                (Name, "x"),
                (Symbol, "="),
                (Name, "pgd"),
                (Open, "("),
                (Open, "#{"),
                (Name, "eps"),
                (Symbol, ":"),
                (Number, "8.0e-3"),
                (Close, "}"),
                (Close, ")"),
                (Symbol, ";"),
                (Comment, "// far"),
                (String, "`a\"b`"),
                (Symbol, "."),
                (Name, "len"),
                (Open, "("),
                (Close, ")"),
            ]
        );
        assert_eq!(
            kinds("`a${b + {1}}c`;"),
            [
                (String, "`"),
                (String, "a"),
                (Open, "${"),
                (Name, "b"),
                (Symbol, "+"),
                (Open, "{"),
                (Number, "1"),
                (Close, "}"),
                (Close, "}"),
                (String, "c`"),
                (Symbol, ";"),
            ]
        );
        assert_eq!(
            kinds("0..10"),
            [(Number, "0"), (Symbol, "."), (Symbol, "."), (Number, "10")]
        );
        assert_eq!(
            kinds("train::fit"),
            [(Name, "train"), (Symbol, "::"), (Name, "fit")]
        );
        assert_eq!(
            kinds("\"é\\\"\" 'ü'"),
            [(String, "\"é\\\"\""), (String, "'ü'")]
        );
    }

    #[test]
    fn unfinished_input_is_told_from_finished() {
        for text in [
            "f(", "let x =", "[1,\n2", "`abc", "`a${", "`a${b}", "/* x", "if x {", "a +", "x.",
            "} else",
        ] {
            assert!(is_unfinished(text), "{text}");
        }
        for text in [
            "",
            "f(1)",
            "let x = 1;",
            "x",
            "_",
            "\"open",
            "f())",
            "x?",
            "x // a +",
        ] {
            assert!(!is_unfinished(text), "{text}");
        }
    }

    #[test]
    fn brackets_find_each_other() {
        let pieces = scan("f([1], #{ a: (2) })");
        assert_eq!(partner(&pieces, 1), Some(pieces.len() - 1));
        assert_eq!(partner(&pieces, pieces.len() - 1), Some(1));
        assert_eq!(partner(&pieces, 2), Some(4));
        assert_eq!(partner(&scan("f(("), 1), None);
    }
}
