//! Bodies of requests: JSON in which no name stands twice, and bytes, up to a limit.
//!
//! What comes in: a body. What goes out: a [`Node`], whose members are taken one after the other,
//! so that what is left over can be refused by name and place. What may fail: a body that is too
//! large, of another media type, or no JSON. What must stay true: a message says where, and never
//! quotes a value.

use std::collections::HashSet;
use std::fmt;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::problem::{Kind, Place, Problem, Said, pointer};
use super::service::Service;
use crate::app::records::Values;

/// A JSON value that keeps every member of an object, also those with one name.
#[derive(Clone, PartialEq)]
pub enum Node {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number, as it is written by others.
    Number(serde_json::Number),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// An object.
    Object(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nodes)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        let number = serde_json::Number::from_f64(number);
        Ok(number.map_or(Node::Null, Node::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Object(members))
    }
}

impl Node {
    /// Reads JSON.
    ///
    /// # Errors
    /// When the bytes are none; the message says where.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let said = Said::new(
                format!("the body is no JSON, as is seen at line {line}, column {column}"),
                format!("请求体不是 JSON，见第 {line} 行第 {column} 列"),
            );
            Problem::at(Kind::Malformed, Place::Pointer(String::new()), said)
        })
    }

    /// The members of an object at a place of the body.
    ///
    /// # Errors
    /// When it is no object, or a name stands twice.
    pub fn members(self, at: &str) -> Result<Members, Problem> {
        let Self::Object(members) = self else {
            return Err(Problem::member(
                at.to_owned(),
                "is no JSON object",
                "不是 JSON 对象",
            ));
        };
        let mut seen = HashSet::with_capacity(members.len());
        for (name, _) in &members {
            if !seen.insert(name) {
                let at = format!("{at}{}", pointer(name));
                return Err(Problem::member(
                    at,
                    "stands twice; keep one",
                    "出现两次，请保留一个",
                ));
            }
        }
        Ok(Members {
            members,
            at: at.to_owned(),
        })
    }

    /// The named values of a record: text, numbers, or `null` for an empty one.
    ///
    /// # Errors
    /// When it is no object, or a value is something else.
    pub fn values(self, at: &str) -> Result<Values, Problem> {
        let mut values = Values::new();
        for (name, value) in self.members(at)?.members {
            let text = match value {
                Self::Text(text) => text,
                Self::Number(number) => number.to_string(),
                Self::Null => String::new(),
                Self::Flag(_) | Self::List(_) | Self::Object(_) => {
                    let at = format!("{at}{}", pointer(&name));
                    return Err(Problem::member(
                        at,
                        "is neither text nor a number",
                        "既不是文本也不是数字",
                    ));
                }
            };
            values.insert(name, text);
        }
        Ok(values)
    }
}

/// The members of an object, taken one after the other.
pub struct Members {
    members: Vec<(String, Node)>,
    at: String,
}

impl Members {
    /// Where a member is.
    #[must_use]
    pub fn place(&self, name: &str) -> String {
        format!("{}{}", self.at, pointer(name))
    }

    /// Takes a member; nothing when there is none, or it is `null`.
    pub fn take(&mut self, name: &str) -> Option<Node> {
        let index = self.members.iter().position(|(other, _)| other == name)?;
        let (_, node) = self.members.swap_remove(index);
        (node != Node::Null).then_some(node)
    }

    /// Takes a member that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn required(&mut self, name: &str) -> Result<Node, Problem> {
        let missing = Problem::member(self.place(name), "is missing; state it", "缺失，请填写");
        self.take(name).ok_or(missing)
    }

    /// Takes text; nothing when there is none.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::member(self.place(name), "is no text", "不是文本")),
        }
    }

    /// Takes text that must be there.
    ///
    /// # Errors
    /// When it is not, or is something else.
    pub fn required_text(&mut self, name: &str) -> Result<String, Problem> {
        let missing = Problem::member(self.place(name), "is missing; state it", "缺失，请填写");
        self.text(name)?.ok_or(missing)
    }

    /// Takes a list of texts; nothing when there is none.
    ///
    /// # Errors
    /// When it is something else.
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        let wrong = Problem::member(self.place(name), "is no list of texts", "不是文本列表");
        match self.take(name) {
            None => Ok(None),
            Some(Node::List(list)) => {
                let text = |node| match node {
                    Node::Text(text) => Some(text),
                    _ => None,
                };
                let texts: Option<Vec<String>> = list.into_iter().map(text).collect();
                texts.map(Some).ok_or(wrong)
            }
            Some(_) => Err(wrong),
        }
    }

    /// Takes a whole number that is not negative; nothing when there is none.
    ///
    /// # Errors
    /// When it is something else.
    pub fn count(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        let wrong = Problem::member(self.place(name), "is no whole number", "不是整数");
        match self.take(name) {
            None => Ok(None),
            Some(Node::Number(number)) => number.as_u64().map(Some).ok_or(wrong),
            Some(_) => Err(wrong),
        }
    }

    /// Refuses what is left.
    ///
    /// # Errors
    /// When something is.
    pub fn finish(self) -> Result<(), Problem> {
        match self.members.first() {
            None => Ok(()),
            Some((name, _)) => {
                let en = "is not known here; remove it or correct its name";
                Err(Problem::member(
                    self.place(name),
                    en,
                    "不是此处的字段，请删除或更正名称",
                ))
            }
        }
    }
}

/// Reads a body up to a limit.
///
/// # Errors
/// When it is larger, or the client went away.
pub async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, most).await.map_err(|_| {
        let said = Said::new(
            format!("the body has more than the {most} bytes that are allowed, or was cut off"),
            format!("请求体超过允许的 {most} 字节，或传输中断"),
        );
        Problem::new(Kind::TooLarge, said)
    })
}

/// A JSON body.
pub struct Json(pub Node);

impl FromRequest<Service> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, service: &Service) -> Result<Self, Problem> {
        let media_type = request.headers().get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let essence = media_type.unwrap_or_default().split(';').next();
        let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
        if essence != "application/json" && !essence.ends_with("+json") {
            let said = Said::new(
                "send JSON, with Content-Type: application/json",
                "请以 Content-Type: application/json 发送 JSON",
            );
            return Err(Problem::at(
                Kind::MediaType,
                Place::Header("Content-Type"),
                said,
            ));
        }
        let bytes = read(request.into_body(), service.limits.body_bytes).await?;
        Node::parse(&bytes).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(problem: &Problem) -> &str {
        match &problem.errors[0].0 {
            Place::Pointer(pointer) => pointer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_stand_once_and_are_known() {
        let node = Node::parse(br#"{"a/b": 1, "a/b": 2}"#).unwrap();
        let problem = node.members("/x").err().unwrap();
        assert_eq!(place(&problem), "/x/a~1b");
        let mut members = Node::parse(br#"{"a": "1", "b": null, "c": 3}"#)
            .unwrap()
            .members("")
            .unwrap();
        assert_eq!(members.text("a").unwrap().as_deref(), Some("1"));
        assert_eq!(members.text("b").unwrap(), None);
        assert_eq!(place(&members.text("c").unwrap_err()), "/c");
        assert!(members.finish().is_ok());
        let members = Node::parse(br#"{"d": 3}"#).unwrap().members("").unwrap();
        assert_eq!(place(&members.finish().unwrap_err()), "/d");
    }

    #[test]
    fn no_value_is_quoted() {
        let problem = Node::parse(br#"{"id_no": "110101199001011234" "#)
            .err()
            .unwrap();
        let text = serde_json::Value::Object(problem.to_json()).to_string();
        assert!(!text.contains("110101"), "{text}");
        assert!(text.contains("line 1"), "{text}");
        let node = Node::parse(br#"{"id_no": ["110101199001011234"]}"#).unwrap();
        let problem = node.values("").err().unwrap();
        assert_eq!(place(&problem), "/id_no");
    }
}
