//! Members of a block item.

use super::*;
use std::rc::Rc;

impl<'i> Builder<'i> {
    pub(super) fn members(&mut self, body: Pair<'i, Rule>) -> Vec<Member> {
        let open = open_end(&body);
        let mut members: Vec<Member> = vec![];
        for pair in Kids::new(body) {
            if pair.as_rule() == Rule::trailing {
                members.last_mut().into_iter().for_each(spoil_member);
            }
            members.push(self.member(pair));
        }
        members.extend(open.map(|at| Member::Error(Span::new(self.file, at, at))));
        members
    }

    fn member(&mut self, pair: Pair<'i, Rule>) -> Member {
        let span = self.span(&pair);
        let member = match pair.as_rule() {
            Rule::function => self.function(pair).map(|f| Member::Fn(Rc::new(f))),
            Rule::if_member => Some(self.if_member(pair)),
            Rule::every_member => self.every_member(pair),
            Rule::each => self.each(pair).map(|each| Member::Each(Rc::new(each))),
            Rule::typed_member => self.typed_member(pair).map(Member::Typed),
            Rule::setting => self.setting(pair).map(Member::Setting),
            Rule::directive => self.directive(pair).map(Member::Directive),
            _ => None,
        };
        member.unwrap_or(Member::Error(span))
    }

    fn if_member(&mut self, pair: Pair<'i, Rule>) -> Member {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let cond = self.expr_or_error(&mut kids, span);
        let then = self.opt_members(&mut kids, span);
        let elifs: Vec<_> = std::iter::from_fn(|| kids.next_of(Rule::elif_member)).collect();
        let otherwise =
            kids.next_of(Rule::else_member).map_or(vec![], |pair| self.opt_members(&mut Kids::new(pair), span));
        let chain = self.deeper(elifs.len(), span, |b| b.elif_members(elifs, otherwise));
        let otherwise = chain.unwrap_or(vec![Member::Error(span)]);
        Member::If { cond, then, otherwise, span }
    }

    /// `else if` is an `if` alone in the `else`.
    fn elif_members(&mut self, elifs: Vec<Pair<'i, Rule>>, last: Vec<Member>) -> Vec<Member> {
        elifs.into_iter().rev().fold(last, |otherwise, pair| {
            let span = self.span(&pair);
            let mut kids = Kids::new(pair);
            let cond = self.expr_or_error(&mut kids, span);
            let then = self.opt_members(&mut kids, span);
            vec![Member::If { cond, then, otherwise, span }]
        })
    }

    fn opt_members(&mut self, kids: &mut Kids<'i>, at: Span) -> Vec<Member> {
        kids.next_of(Rule::body).map_or(vec![Member::Error(at)], |body| self.members(body))
    }

    fn every_member(&mut self, pair: Pair<'i, Rule>) -> Option<Member> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let count = self.expr_or_error(&mut kids, span);
        let unit = self.name(kids.next_of(Rule::name)?);
        Some(Member::Every { count, unit, members: self.opt_members(&mut kids, span), span })
    }

    fn each(&mut self, pair: Pair<'i, Rule>) -> Option<Each> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let word = self.name(kids.next_of(Rule::name)?);
        let title = kids.next_of(Rule::string).map(|title| self.string(title));
        let fields = Kids::new(kids.next_of(Rule::each_fields)?).filter_map(|field| self.each_field(field)).collect();
        let source = self.opt_expr(&mut kids);
        Some(Each { word, title, fields, source, body: self.opt_block(&mut kids, span), span })
    }

    fn each_field(&mut self, pair: Pair<'i, Rule>) -> Option<(Name, Option<Expr>)> {
        let mut kids = Kids::new(pair);
        let name = self.name(kids.next_of(Rule::name)?);
        Some((name, self.opt_expr(&mut kids)))
    }

    fn typed_member(&mut self, pair: Pair<'i, Rule>) -> Option<TypedMember> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let first = self.name(kids.next_of(Rule::name)?);
        let (word, name) = match kids.next_of(Rule::name) {
            Some(second) => (Some(first), self.name(second)),
            None => (None, first),
        };
        let ty = self.type_or_error(&mut kids, span);
        Some(TypedMember { word, name, ty, value: self.opt_expr(&mut kids), span })
    }

    fn setting(&mut self, pair: Pair<'i, Rule>) -> Option<Setting> {
        let span = self.span(&pair);
        let is_let = pair.clone().into_inner().next().is_some_and(|p| p.as_rule() == Rule::kw_let);
        let mut kids = Kids::new(pair);
        let name = self.name(kids.next_of(Rule::name)?);
        let target = match kids.next_of(Rule::target) {
            Some(target) => Some(Kids::new(target).next().and_then(|path| self.path(path))?),
            None => None,
        };
        Some(Setting { is_let, name, target, value: self.expr_or_error(&mut kids, span), span })
    }

    fn directive(&mut self, pair: Pair<'i, Rule>) -> Option<Directive> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let word = self.name(kids.next_of(Rule::name)?);
        let mut directive = Directive { word, clauses: vec![], mappings: vec![], span };
        for part in kids {
            match part.as_rule() {
                Rule::comma => directive.clauses.push(Clause::Comma(self.span(&part))),
                Rule::clause_word => directive.clauses.push(Clause::Expr(self.name_expr(part))),
                Rule::map_body => directive.mappings = Kids::new(part).filter_map(|m| self.mapping(m)).collect(),
                _ => directive.clauses.push(Clause::Expr(self.expr(part))),
            }
        }
        Some(directive)
    }

    fn mapping(&mut self, pair: Pair<'i, Rule>) -> Option<Mapping> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let from = self.map_side(kids.next_of(Rule::map_side)?);
        let to = self.map_side(kids.next_of(Rule::map_side)?);
        Some(Mapping { from, to, options: kids.filter_map(|option| self.map_option(option)).collect(), span })
    }

    fn map_side(&mut self, pair: Pair<'i, Rule>) -> MapSide {
        let parts: Vec<_> = Kids::new(pair).collect();
        match &parts[..] {
            [word] if word.as_rule() == Rule::name => MapSide::Word(self.name(word.clone())),
            _ => MapSide::Names(parts.into_iter().map(|name| self.string(name)).collect()),
        }
    }

    fn map_option(&mut self, pair: Pair<'i, Rule>) -> Option<MapOption> {
        let mut kids = Kids::new(pair);
        let word = self.name(kids.next_of(Rule::name)?);
        Some(MapOption { word, value: self.opt_expr(&mut kids) })
    }
}

/// A member with more in its line than it can have: its value is not what it seems.
fn spoil_member(member: &mut Member) {
    match member {
        Member::Typed(m) => m.value.iter_mut().for_each(spoil),
        Member::Setting(s) => spoil(&mut s.value),
        Member::Directive(d) => *member = Member::Error(d.span),
        _ => {}
    }
}

pub(super) fn spoil(value: &mut Expr) {
    value.kind = ExprKind::Error;
}

/// Where a body or block ends without its brace.
pub(super) fn open_end(pair: &Pair<'_, Rule>) -> Option<usize> {
    let brace = pair.clone().into_inner().find(|p| p.as_rule() == Rule::missing_brace)?;
    Some(brace.as_span().start())
}
