//! The checker: Ast to [`model::Model`]. Scopes, names, symbolic dimensions, compile-time evaluation and
//! elaboration of layers, optimizers and phases to graphs of primitive operations.
//!
//! Checking is elaboration: every call is written out where it stands, with compile-time arguments known, and what
//! depends on data becomes instructions of a `Graph<Dim>`. An error gives a poisoned value ([`value::Value::Error`])
//! that silences what depends on it, so that one mistake gives one message and hides no other.

mod accumulate;
mod args;
mod arith;
pub mod builtins;
mod call;
mod checker;
mod clip;
mod composite;
mod data;
mod defs;
pub mod emit;
mod every;
mod expr;
mod facts;
mod foreign;
mod freeze;
mod function;
mod generation;
mod intrinsic;
mod lanes;
mod layer;
mod load;
mod member;
mod memory;
pub mod model;
mod nonempty;
mod optimizer;
mod param;
mod phase;
mod pipeline;
mod probe;
mod scan;
mod scope;
mod settings;
mod shapes;
mod splits;
mod stmt;
mod target;
mod terms;
#[cfg(test)]
mod tests;
mod train;
mod types;
mod unsupported;
pub mod value;
pub mod weights;

use crate::diag::Diagnostic;
use crate::ops::dim::Dim;
use crate::syntax::ast;
use checker::Checker;
use model::{DataValue, Model};
use std::rc::Rc;

/// Checks a program. The first file is the user's; the others are the standard library and what `use` names.
/// `overrides` are the `--set name=value` of the command line. The model is complete only if no diagnostic is an
/// error.
pub fn check(files: &[ast::File], overrides: &[(String, String)]) -> (Model, Vec<Diagnostic>) {
    check_with(files, overrides, &[])
}

/// The same where the data is open: values that it gives are numbers, and no longer opaque.
pub fn check_with(
    files: &[ast::File],
    overrides: &[(String, String)],
    values: &[(DataValue, i64)],
) -> (Model, Vec<Diagnostic>) {
    let (defs, diags) = defs::Defs::collect(files);
    let mut checker = Checker::new(defs, diags, overrides);
    checker.values = values.iter().map(|(value, n)| (value.clone(), Dim::Const(*n))).collect();
    let mut model = Model::default();
    let items: &[ast::Item] = files.first().map_or(&[], |f| &f.items);
    let blocks: Vec<Rc<ast::BlockItem>> =
        items.iter().filter_map(|item| if let ast::Item::Block(b) = item { Some(b.clone()) } else { None }).collect();
    let trains: Vec<&Rc<ast::BlockItem>> = blocks.iter().filter(|b| &*b.word.text == "train").collect();
    checker.check_lets(items, &mut model);
    for train in &trains {
        checker.check_train(train, &mut model);
    }
    if trains.is_empty() {
        checker.check_models(&blocks, &mut model);
    }
    checker.check_data_items(&blocks, &mut model);
    checker.check_uncalled(items, !trains.is_empty());
    model.values = checker.values.iter().map(|(value, _)| value.clone()).collect();
    let lets: Vec<String> = model.lets.iter().map(|(name, ..)| name.clone()).collect();
    checker.check_overrides(&lets);
    (model, checker.diags)
}

impl Checker {
    /// Evaluates the `let`s of the user's file, so that their errors show even if nothing uses them.
    fn check_lets(&mut self, items: &[ast::Item], out: &mut Model) {
        for item in items {
            if let ast::Item::Let(l) = item
                && let ast::Pattern::Name(name) = &l.pattern
            {
                self.top_level_let(&name.text, l);
                out.lets.extend(settings::literal_text(&l.value).map(|t| (name.text.to_string(), t, l.value.span)));
            }
        }
    }

    /// Checks each declaration once, used or not.
    fn check_data_items(&mut self, blocks: &[Rc<ast::BlockItem>], out: &mut Model) {
        for block in blocks.iter().filter(|b| &*b.word.text == "data") {
            if let Some(info) = self.data(call::block_name(block)) {
                self.check_fields(&info);
                out.data.push(info.model.clone());
            }
        }
    }
}
