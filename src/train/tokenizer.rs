//! Tokenizer files of Hugging Face (`tokenizer.json`): texts to ids, and back.
//!
//! A file may ask for truncation and padding of its own; both are left out, as `transformers` does by default. Rows are
//! cut and padded as the program says.

pub mod learn;

use std::path::Path;
use tokenizers::TruncationDirection::Right;
use tokenizers::{Encoding, PostProcessor, Token};

/// A tokenizer, ready to use.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    size: usize,
}

impl Tokenizer {
    /// Reads the bytes of a tokenizer file.
    ///
    /// # Errors
    /// What is wrong with it: no JSON, a part that is missing, a kind of model that is not known.
    pub fn parse(bytes: &[u8]) -> Result<Tokenizer, String> {
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| e.to_string())?;
        inner.with_truncation(None).map_err(|e| e.to_string())?;
        inner.with_padding(None);
        let largest = inner.get_vocab(true).into_values().max();
        let size = largest.map_or(0, |id| id as usize + 1);
        Ok(Tokenizer { inner, size })
    }

    /// Reads a tokenizer file.
    ///
    /// # Errors
    /// Those of the file system, and of [`Tokenizer::parse`].
    pub fn open(path: &Path) -> Result<Tokenizer, String> {
        Tokenizer::parse(&std::fs::read(path).map_err(|e| e.to_string())?)
    }

    /// How many ids there are: one more than the largest, added tokens included.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of an id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The ids of a text, with or without the special tokens that the file puts around one; `limit` at most, those
    /// included.
    ///
    /// # Errors
    /// Where the model has no id for a part of the text and no token for what is unknown.
    pub fn encode(&self, text: &str, special: bool, limit: Option<usize>) -> Result<Vec<u32>, String> {
        let mut encoding = self.inner.encode_fast(text, false).map_err(|e| e.to_string())?;
        if let Some(limit) = limit {
            let added = self.inner.get_post_processor().filter(|_| special).map_or(0, |p| p.added_tokens(false));
            encoding.truncate(limit.saturating_sub(added), 0, Right);
        }
        if special {
            encoding = self.inner.post_process(encoding, None, true).map_err(|e| e.to_string())?;
        }
        let mut ids = encoding.get_ids().to_vec();
        ids.truncate(limit.unwrap_or(usize::MAX));
        Ok(ids)
    }

    /// The special token that the file puts behind a text.
    pub fn end(&self) -> Option<u32> {
        let text = Encoding::from_tokens(vec![Token::new(0, String::new(), (0, 0))], 0);
        let around = self.inner.post_process(text, None, true).ok()?;
        let is_added = around.get_special_tokens_mask().last() == Some(&1);
        around.get_ids().last().copied().filter(|_| is_added)
    }

    /// The text of ids; `special` keeps special tokens. Ids that the file does not have are left out.
    pub fn decode(&self, ids: &[u32], special: bool) -> String {
        // A decoder fails on tokens that no model of its file makes; there is no text for those.
        self.inner.decode(ids, !special).unwrap_or_default()
    }

    /// Decodes ids one after the other.
    pub fn printer(&self) -> Printer<'_> {
        Printer { tokenizer: self, ids: vec![], done: 0 }
    }
}

/// Decodes ids as they come: what it gives, put together, is the text of all ids.
pub struct Printer<'a> {
    tokenizer: &'a Tokenizer,
    /// Ids whose text may still change what follows.
    ids: Vec<u32>,
    /// Bytes of their text that were given already.
    done: usize,
}

impl Printer<'_> {
    /// Takes the next id, and gives the text that is certain now: nothing while a character is not complete.
    pub fn next(&mut self, id: u32) -> String {
        self.ids.push(id);
        let text = self.tokenizer.decode(&self.ids, false);
        // An incomplete character is decoded as U+FFFD; what follows may complete it.
        if text.ends_with('\u{fffd}') { String::new() } else { self.give(text) }
    }

    /// What is left where no id follows.
    pub fn finish(mut self) -> String {
        let text = self.tokenizer.decode(&self.ids, false);
        self.give(text)
    }

    fn give(&mut self, text: String) -> String {
        let new = text.get(self.done..).unwrap_or_default().to_string();
        // A decoder treats the first token in its own way, and joins each to the one before: some stay as context.
        let context = self.ids.len().saturating_sub(CONTEXT);
        self.done = text.len();
        if context >= CONTEXT {
            self.ids.drain(..context);
            self.done = self.tokenizer.decode(&self.ids, false).len();
        }
        new
    }
}

/// Ids before the next one that its text may depend on.
const CONTEXT: usize = 16;

/// The 64-bit FNV-1a hash of a file, as hexadecimal digits: which file a run was trained with.
pub fn mark(bytes: &[u8]) -> String {
    format!("{:016x}", super::split::fnv1a(bytes))
}

#[cfg(test)]
mod tests;
