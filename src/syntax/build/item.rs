//! Items of a file: functions, block items, `use`, `let`.

use super::*;
use std::rc::Rc;

impl<'i> Builder<'i> {
    /// `None` for pairs that are no item: the end of the text.
    pub(super) fn item(&mut self, pair: Pair<'i, Rule>) -> Option<Item> {
        let span = self.span(&pair);
        Some(match pair.as_rule() {
            Rule::function => self.function(pair).map_or(Item::Error(span), |f| Item::Fn(Rc::new(f))),
            Rule::let_stmt => Item::Let(self.let_stmt(pair)),
            Rule::use_item => self.use_item(pair).unwrap_or(Item::Error(span)),
            Rule::block_item => self.block_item(pair).map_or(Item::Error(span), |b| Item::Block(Rc::new(b))),
            Rule::EOI => return None,
            _ => Item::Error(span),
        })
    }

    fn use_item(&mut self, pair: Pair<'i, Rule>) -> Option<Item> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let file = self.string(kids.next_of(Rule::string)?);
        let names = Kids::new(kids.next_of(Rule::use_list)?).map(|name| self.name(name)).collect();
        Some(Item::Use { file, names, span })
    }

    /// `None` without a name: nothing could refer to it.
    pub(super) fn function(&mut self, pair: Pair<'i, Rule>) -> Option<Function> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let composite = kids.next_of(Rule::kw_composite).is_some();
        let name = self.name(kids.next_of(Rule::name)?);
        let params = self.params(&mut kids);
        let result = self.opt_type(&mut kids);
        let constraints = self.constraints(&mut kids);
        let body = self.opt_block(&mut kids, span);
        let vjp = kids.next_of(Rule::vjp).map(|pair| self.vjp(pair, composite, span));
        Some(Function { composite, name, params, result, constraints, body, vjp, doc: self.doc(span.start), span })
    }

    fn vjp(&mut self, pair: Pair<'i, Rule>, composite: bool, function: Span) -> Vjp {
        let span = self.span(&pair);
        if !composite {
            let head = Span { end: span.start + "vjp".len() as u32, ..span };
            self.diagnostics.push(errors::vjp_without_composite(head, function));
        }
        let mut kids = Kids::new(pair);
        let names = kids.next_of(Rule::name_list).map(Kids::new).into_iter().flatten().map(|n| self.name(n)).collect();
        Vjp { names, body: self.opt_block(&mut kids, span), span }
    }

    fn block_item(&mut self, pair: Pair<'i, Rule>) -> Option<BlockItem> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let word = self.name(kids.next_of(Rule::name)?);
        let name = kids.next_of(Rule::name).map(|name| self.name(name));
        let params = self.params(&mut kids);
        let from = kids.next_of(Rule::from).map(|from| self.only_expr(from));
        let constraints = self.constraints(&mut kids);
        let members = kids.next_of(Rule::body).map_or(vec![Member::Error(span)], |body| self.members(body));
        Some(BlockItem { word, name, params, from, constraints, members, doc: self.doc(span.start), span })
    }

    fn params(&mut self, kids: &mut Kids<'i>) -> Vec<Param> {
        let pairs = kids.next_of(Rule::params).map(Kids::new).into_iter().flatten();
        pairs.filter_map(|param| self.param(param)).collect()
    }

    fn param(&mut self, pair: Pair<'i, Rule>) -> Option<Param> {
        let mut kids = Kids::new(pair);
        let name = self.name(kids.next_of(Rule::name)?);
        Some(Param { name, ty: self.opt_type(&mut kids), default: self.opt_expr(&mut kids) })
    }

    fn constraints(&mut self, kids: &mut Kids<'i>) -> Vec<Expr> {
        let pairs = kids.next_of(Rule::constraints).map(Kids::new).into_iter().flatten();
        pairs.map(|pair| self.expr(pair)).collect()
    }
}
