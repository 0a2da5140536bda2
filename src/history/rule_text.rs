//! Reading the text of a condition.
//!
//! What comes in: text in the grammar of [`rule`](super::rule). What goes out: its tree. What may
//! fail: text that is not in it; the error says at which character. What must stay true: `and`
//! binds stronger than `or`, `not` than both; every input ends, however deep it is nested.

use super::rule::{Comparison, Node, Operand, RuleError};
use crate::statistics::rational::Rational;

/// Parentheses and negations inside one another.
const MOST_DEEP: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Number(Rational),
    Compare(Comparison),
    Open,
    Close,
}

/// A token with the 1-based character at which it begins, and its text.
struct Placed {
    token: Token,
    at: usize,
    text: String,
}

fn unexpected(at: usize, expected: &'static str, found: &str) -> RuleError {
    RuleError::Unexpected {
        at,
        expected,
        found: format!("`{found}`"),
    }
}

fn comparison(text: &str) -> Option<Comparison> {
    Some(match text {
        "<" => Comparison::Less,
        "<=" | "≤" => Comparison::AtMost,
        ">" => Comparison::More,
        ">=" | "≥" => Comparison::AtLeast,
        "=" | "==" => Comparison::Equal,
        "!=" | "<>" | "≠" => Comparison::NotEqual,
        _ => return None,
    })
}

const fn is_of_comparison(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '!' | '≤' | '≥' | '≠')
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn token_of(text: &str, at: usize) -> Result<Token, RuleError> {
    let first = text.chars().next().unwrap_or(' ');
    if is_of_comparison(first) {
        return comparison(text)
            .map(Token::Compare)
            .ok_or_else(|| unexpected(at, "a comparison such as >=", text));
    }
    if first.is_ascii_digit() || first == '-' || first == '.' {
        return Rational::of_decimal(text)
            .map(Token::Number)
            .ok_or_else(|| unexpected(at, "a decimal number such as 15.0", text));
    }
    match first {
        '(' => Ok(Token::Open),
        ')' => Ok(Token::Close),
        _ if is_of_word(first) => Ok(Token::Word(text.to_owned())),
        _ => Err(unexpected(
            at,
            "a name, a number, a comparison or a parenthesis",
            text,
        )),
    }
}

fn tokens(text: &str) -> Result<Vec<Placed>, RuleError> {
    let chars: Vec<char> = text.chars().collect();
    let mut placed = Vec::new();
    let mut start = 0;
    while start < chars.len() {
        let first = chars[start];
        if first.is_whitespace() {
            start += 1;
            continue;
        }
        let belongs: fn(char) -> bool = if is_of_comparison(first) {
            is_of_comparison
        } else if first.is_ascii_digit() || first == '-' || first == '.' {
            |c| is_of_word(c) || c == '.'
        } else if is_of_word(first) {
            is_of_word
        } else {
            |_| false
        };
        let rest = chars[start + 1..].iter().take_while(|c| belongs(**c));
        let end = start + 1 + rest.count();
        let text: String = chars[start..end].iter().collect();
        placed.push(Placed {
            token: token_of(&text, start + 1)?,
            at: start + 1,
            text,
        });
        start = end;
    }
    Ok(placed)
}

struct Parser {
    tokens: Vec<Placed>,
    next: usize,
    /// The character after the last.
    end: usize,
}

/// Reads a condition.
pub(super) fn parse(text: &str) -> Result<Node, RuleError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        end: text.chars().count() + 1,
    };
    let node = parser.condition(0)?;
    if parser.next < parser.tokens.len() {
        return Err(parser.wrong("`and`, `or` or the end"));
    }
    Ok(node)
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|placed| &placed.token)
    }

    fn wrong(&self, expected: &'static str) -> RuleError {
        match self.tokens.get(self.next) {
            Some(placed) => unexpected(placed.at, expected, &placed.text),
            None => RuleError::Unexpected {
                at: self.end,
                expected,
                found: "the end".to_owned(),
            },
        }
    }

    /// Takes the next word if it is this one, in capital letters or not.
    fn takes(&mut self, word: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.next += usize::from(is);
        is
    }

    fn condition(&mut self, depth: usize) -> Result<Node, RuleError> {
        let mut parts = vec![self.term(depth)?];
        while self.takes("or") {
            parts.push(self.term(depth)?);
        }
        Ok(one_or(parts, Node::Any))
    }

    fn term(&mut self, depth: usize) -> Result<Node, RuleError> {
        let mut parts = vec![self.factor(depth)?];
        while self.takes("and") {
            parts.push(self.factor(depth)?);
        }
        Ok(one_or(parts, Node::All))
    }

    fn factor(&mut self, depth: usize) -> Result<Node, RuleError> {
        if depth > MOST_DEEP {
            return Err(RuleError::TooDeep(MOST_DEEP));
        }
        if self.takes("not") {
            return Ok(Node::Not(Box::new(self.factor(depth + 1)?)));
        }
        if self.peek() == Some(&Token::Open) {
            self.next += 1;
            let node = self.condition(depth + 1)?;
            if self.peek() != Some(&Token::Close) {
                return Err(self.wrong("`)`"));
            }
            self.next += 1;
            return Ok(node);
        }
        let left = self.operand()?;
        let Some(Token::Compare(comparison)) = self.peek() else {
            return Err(self.wrong("a comparison such as >="));
        };
        let comparison = *comparison;
        self.next += 1;
        let right = self.operand()?;
        Ok(Node::Compare(left, comparison, right))
    }

    fn operand(&mut self) -> Result<Operand, RuleError> {
        const EXPECTED: &str = "the name of a figure or indicator, or a number";
        let operand = match self.peek() {
            Some(Token::Word(word)) if !is_connective(word) => Operand::Name(word.clone()),
            Some(Token::Number(number)) => Operand::Number(*number),
            _ => return Err(self.wrong(EXPECTED)),
        };
        self.next += 1;
        Ok(operand)
    }
}

/// One part stands for itself.
fn one_or(mut parts: Vec<Node>, joined: fn(Vec<Node>) -> Node) -> Node {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            joined(parts)
        }
    }
}

fn is_connective(word: &str) -> bool {
    ["and", "or", "not"]
        .into_iter()
        .any(|connective| word.eq_ignore_ascii_case(connective))
}
