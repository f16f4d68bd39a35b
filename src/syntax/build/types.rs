//! Types and shapes.

use super::*;

impl<'i> Builder<'i> {
    pub(super) fn opt_type(&mut self, kids: &mut Kids<'i>) -> Option<TypeExpr> {
        let pair = kids.next_among(|rule| matches!(rule, Rule::ty | Rule::missing_type))?;
        Some(self.ty(pair))
    }

    pub(super) fn type_or_error(&mut self, kids: &mut Kids<'i>, at: Span) -> TypeExpr {
        self.opt_type(kids).unwrap_or(TypeExpr { kind: TypeKind::Error, span: at })
    }

    fn ty(&mut self, pair: Pair<'i, Rule>) -> TypeExpr {
        let span = self.span(&pair);
        let form = pair.into_inner().next();
        TypeExpr { kind: form.and_then(|form| self.type_kind(form)).unwrap_or(TypeKind::Error), span }
    }

    fn type_kind(&mut self, form: Pair<'i, Rule>) -> Option<TypeKind> {
        let span = self.span(&form);
        let broken = is_broken(&form);
        let rule = form.as_rule();
        let mut kids = Kids::new(form);
        match rule {
            Rule::named_ty => {
                let name = self.name(kids.next_of(Rule::name)?);
                Some(TypeKind::Named { name, shape: kids.next_of(Rule::shape).map(|shape| self.shape(shape)) })
            }
            Rule::list_ty => Some(TypeKind::List(Box::new(self.type_or_error(&mut kids, span)))),
            _ if broken => None,
            _ => Some(TypeKind::Record(kids.filter_map(|field| self.record_field(field)).collect())),
        }
    }

    fn record_field(&mut self, pair: Pair<'i, Rule>) -> Option<(Name, TypeExpr)> {
        let span = self.span(&pair);
        let mut kids = Kids::new(pair);
        let name = self.name(kids.next_of(Rule::name)?);
        Some((name, self.type_or_error(&mut kids, span)))
    }

    /// A shape with text that does not belong gets one more dimension, an `Error`.
    fn shape(&mut self, pair: Pair<'i, Rule>) -> Vec<DimExpr> {
        let span = self.span(&pair);
        let broken = is_broken(&pair);
        let mut dims: Vec<_> = Kids::new(pair).map(|dim| self.dim(dim)).collect();
        dims.extend(broken.then_some(DimExpr::Dim(Expr { kind: ExprKind::Error, span })));
        dims
    }

    fn dim(&mut self, pair: Pair<'i, Rule>) -> DimExpr {
        match pair.as_rule() {
            Rule::spread => match self.spread(pair) {
                Ok(name) => DimExpr::Pack(name),
                Err(error) => DimExpr::Dim(error),
            },
            _ => DimExpr::Dim(self.expr(pair)),
        }
    }

    /// The name after `*`.
    pub(super) fn spread(&mut self, pair: Pair<'i, Rule>) -> Result<Name, Expr> {
        let span = self.span(&pair);
        let name = Kids::new(pair).next_of(Rule::name);
        name.map(|name| self.name(name)).ok_or(Expr { kind: ExprKind::Error, span })
    }
}
