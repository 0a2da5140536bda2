//! Where output goes: data to standard output, talk to standard error.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::UnicodeWidthStr;

use super::args::{Arguments, Language};
use crate::app::{App, AppError};
use crate::seal::sealer::SealError;

/// How to talk.
pub struct Output {
    /// Data as JSON.
    pub json: bool,
    /// The language of texts.
    pub language: Language,
}

impl Output {
    /// As the arguments ask.
    pub fn new(arguments: &Arguments) -> Self {
        Self {
            json: arguments.json,
            language: arguments.lang,
        }
    }

    /// Whether texts are Chinese.
    pub fn chinese(&self) -> bool {
        self.language == Language::Zh
    }

    /// The language as texts are kept in.
    pub fn locale(&self) -> crate::locale::Language {
        if self.chinese() {
            crate::locale::Language::Zh
        } else {
            crate::locale::Language::En
        }
    }

    /// The text in the language.
    pub fn pick<'a>(&self, english: &'a str, chinese: &'a str) -> &'a str {
        if self.chinese() { chinese } else { english }
    }

    /// The same for texts that were made for the purpose.
    pub fn pick_owned(&self, english: String, chinese: String) -> String {
        if self.chinese() { chinese } else { english }
    }

    /// A line of data.
    #[expect(
        clippy::unused_self,
        reason = "everything that is printed goes through here"
    )]
    pub fn data(&self, text: &str) {
        // A closed pipe is the reader's wish to stop.
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// Bytes of data, as they are.
    #[expect(
        clippy::unused_self,
        reason = "everything that is printed goes through here"
    )]
    pub fn raw(&self, bytes: &[u8]) -> Result<(), AppError> {
        std::io::stdout()
            .lock()
            .write_all(bytes)
            .map_err(|source| AppError::File {
                doing: "write to",
                path: "standard output".to_owned(),
                source,
            })
    }

    /// Talk.
    pub fn say(&self, english: &str, chinese: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", self.pick(english, chinese));
    }

    /// An error, on standard error; with `--json` as an object.
    pub fn error(&self, error: &AppError) {
        let text = error.to_string();
        if self.json {
            let object = serde_json::json!({ "error": text, "exit_code": error.exit_code() });
            let _ = writeln!(std::io::stderr().lock(), "{object}");
        } else {
            self.say(&format!("error: {text}"), &format!("错误：{text}"));
        }
    }

    /// Says that the clock is simulated, if it is.
    pub fn note_clock(&self, app: &App) {
        if app.ledger.simulated {
            self.say(
                "note: simulated clock; times in this ledger come from the reports and prove nothing",
                "注意：本账本使用模拟时钟，时间取自上报日期，不具证明力",
            );
        }
    }

    /// Says that the master key is to be rotated, if it is.
    pub fn note_rotation(&self, app: &App) {
        if app.rotation_is_due() {
            self.say(
                "note: the master key is due for rotation; run `vitaledger keys rotate-master`",
                "注意：主密钥已到轮换期限，请运行 `vitaledger keys rotate-master`",
            );
        }
    }

    /// Says that this node lacks a signing key, and which file to copy, if it does.
    ///
    /// # Errors
    /// When the keys or the store cannot be read.
    pub async fn note_missing_key(&self, app: &App) -> Result<(), AppError> {
        match app.must_sign().await {
            Err(AppError::Seal(error @ SealError::KeyMissing { .. })) => {
                self.say(&format!("note: {error}"), &format!("注意：{error}"));
                Ok(())
            }
            can_sign => can_sign,
        }
    }

    /// Says that entries wait for witnesses, if they do.
    ///
    /// # Errors
    /// When the policy or the store cannot be read.
    pub async fn note_publication(&self, app: &App) -> Result<(), AppError> {
        let done = app.publication().await?;
        let waiting = done.sealed.saturating_sub(done.published);
        if waiting > 0 {
            self.say(
                &format!("note: {waiting} sealed entries are not published: a quorum of witnesses is missing"),
                &format!("注意：有 {waiting} 条已封存的记录尚未公布：见证方未达法定数量"),
            );
        }
        Ok(())
    }

    /// A progress bar on standard error; silent when that is no terminal.
    pub fn progress(
        &self,
        english: &'static str,
        chinese: &'static str,
        total: Option<u64>,
    ) -> ProgressBar {
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        if self.json || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = if total.is_some() {
            "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}"
        } else {
            "{spinner} {msg} {human_pos} {per_sec}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(self.pick(english, chinese).to_owned());
        bar
    }

    /// Rows under a heading, columns as wide as needed.
    pub fn table(&self, heading: &[&str], rows: &[Vec<String>]) {
        let mut widths: Vec<usize> = heading.iter().map(|cell| cell.width()).collect();
        for row in rows {
            for (column, cell) in row.iter().enumerate() {
                widths[column] = widths[column].max(cell.width());
            }
        }
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).map(|(cell, wide)| {
                let gap = " ".repeat(wide.saturating_sub(cell.width()));
                let number =
                    !cell.is_empty() && cell.bytes().all(|b| b.is_ascii_digit() || b == b',');
                if number {
                    format!("{gap}{cell}")
                } else {
                    format!("{cell}{gap}")
                }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.data(&line(heading.to_vec()));
        for row in rows {
            self.data(&line(row.iter().map(String::as_str).collect()));
        }
    }
}
