//! The names that files define: one namespace per side (the user's file, the library), shadowing, and suggestions.

pub use crate::diag::suggest::suggest;
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span};
use crate::syntax::ast;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// A named definition of a file.
#[derive(Clone, Debug)]
pub enum Def {
    Fn(Rc<ast::Function>),
    Let(Rc<ast::Let>),
    /// A block item with one of the words of [`DEFINING`].
    Block(Rc<ast::BlockItem>),
}

impl Def {
    pub fn span(&self) -> Span {
        match self {
            Def::Fn(f) => f.name.span,
            Def::Let(l) => l.pattern_span(),
            Def::Block(b) => b.name.as_ref().map_or(b.span, |n| n.span),
        }
    }
}

impl ast::Let {
    fn pattern_span(&self) -> Span {
        match &self.pattern {
            ast::Pattern::Name(n) => n.span,
            _ => self.span,
        }
    }
}

/// Item words whose name enters the namespace of the file.
const DEFINING: [&str; 6] = ["layer", "model", "data", "optimizer", "schedule", "initializer"];
/// Words that may begin an item.
const ITEM_WORDS: [&str; 7] = ["layer", "model", "data", "optimizer", "schedule", "initializer", "train"];

/// All definitions. Files after the first are the library: the standard one and what `use` names.
#[derive(Default)]
pub struct Defs {
    user_file: FileId,
    user: HashMap<Arc<str>, Def>,
    library: HashMap<Arc<str>, Def>,
}

impl Defs {
    pub fn collect(files: &[ast::File]) -> (Defs, Vec<Diagnostic>) {
        let mut defs = Defs { user_file: files.first().map_or(FileId(0), |f| f.id), ..Defs::default() };
        let mut diags = vec![];
        for file in files.iter().rev() {
            for item in &file.items {
                defs.collect_item(item, &mut diags);
            }
        }
        (defs, diags)
    }

    fn collect_item(&mut self, item: &ast::Item, diags: &mut Vec<Diagnostic>) {
        match item {
            ast::Item::Fn(f) => self.define(&f.name, Def::Fn(f.clone()), diags),
            ast::Item::Let(l) => match &l.pattern {
                ast::Pattern::Name(name) => self.define(name, Def::Let(Rc::new(l.clone())), diags),
                _ => diags.push(pattern_at_top_level(l.span)),
            },
            ast::Item::Block(b) => self.collect_block(b, diags),
            ast::Item::Use { names, .. } => diags.extend(names.iter().filter_map(|n| self.check_used(n))),
            ast::Item::Error(_) => {}
        }
    }

    fn collect_block(&mut self, block: &Rc<ast::BlockItem>, diags: &mut Vec<Diagnostic>) {
        let word = &*block.word.text;
        if !ITEM_WORDS.contains(&word) {
            diags.push(unknown_item(&block.word));
        } else if DEFINING.contains(&word) {
            match &block.name {
                Some(name) => self.define(name, Def::Block(block.clone()), diags),
                None => diags.push(item_without_name(&block.word)),
            }
        }
    }

    fn define(&mut self, name: &ast::Name, def: Def, diags: &mut Vec<Diagnostic>) {
        let is_user = name.span.file == self.user_file;
        if is_user && let Some(hidden) = self.library.get(&name.text) {
            diags.push(shadows_library(name, hidden.span()));
        }
        let table = if is_user { &mut self.user } else { &mut self.library };
        if let Some(first) = table.get(&name.text) {
            diags.push(defined_twice(name, first.span()));
        } else {
            table.insert(name.text.clone(), def);
        }
    }

    fn check_used(&self, name: &ast::Name) -> Option<Diagnostic> {
        let known = self.library.contains_key(&name.text);
        (!known).then(|| unknown_import(name, suggest(&name.text, self.library.keys().map(|k| &**k))))
    }

    /// What `name` means in `file`: a library file sees the library alone, so that nothing the user defines changes
    /// how the library works.
    pub fn get(&self, name: &str, file: FileId) -> Option<&Def> {
        let of_user = self.user.get(name).filter(|_| self.is_user(file));
        of_user.or_else(|| self.library.get(name))
    }

    /// Whether a name means a data declaration.
    pub fn is_data(&self, name: &ast::Name) -> bool {
        matches!(self.get(&name.text, name.span.file), Some(Def::Block(b)) if &*b.word.text == "data")
    }

    pub fn is_user(&self, file: FileId) -> bool {
        file == self.user_file
    }

    pub fn user_file(&self) -> FileId {
        self.user_file
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.user.keys().chain(self.library.keys()).map(|k| &**k)
    }
}

/// Adds "did you mean" and its fix.
pub fn did_you_mean(diag: Diagnostic, span: Span, found: Option<String>) -> Diagnostic {
    match found {
        Some(name) => diag.help(format!("did you mean `{name}`?")).fix(span, &*name, format!("write `{name}`")),
        None => diag,
    }
}

fn unknown_item(word: &ast::Name) -> Diagnostic {
    let diag = Diagnostic::error(Code(104), format!("`{}` does not begin a definition", word.text))
        .label(word.span, "not a kind of definition");
    match suggest(&word.text, ITEM_WORDS.into_iter()) {
        None => diag.help(format!("definitions begin with `fn`, `let`, `use`, `{}`", ITEM_WORDS.join("`, `"))),
        found => did_you_mean(diag, word.span, found),
    }
}

fn item_without_name(word: &ast::Name) -> Diagnostic {
    Diagnostic::error(Code(119), format!("this `{}` has no name", word.text)).label(word.span, "a name must follow")
}

fn pattern_at_top_level(span: Span) -> Diagnostic {
    Diagnostic::error(Code(119), "a `let` of a file defines one name").label(span, "this takes a list apart")
}

fn defined_twice(name: &ast::Name, first: Span) -> Diagnostic {
    Diagnostic::error(Code(102), format!("`{}` is defined twice", name.text))
        .label(name.span, "defined again here")
        .label(first, "first defined here")
}

fn shadows_library(name: &ast::Name, hidden: Span) -> Diagnostic {
    Diagnostic::warning(Code(103), format!("`{}` hides the library's definition", name.text))
        .label(name.span, "from here on, this file's own is meant")
        .label(hidden, "the library's")
}

fn unknown_import(name: &ast::Name, found: Option<String>) -> Diagnostic {
    let diag = Diagnostic::error(Code(116), format!("the file does not define `{}`", name.text));
    did_you_mean(diag.label(name.span, "not found"), name.span, found)
}
