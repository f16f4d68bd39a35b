//! The Ast as text, for `nnc ir --stage ast`: the language itself, indented, with every grouping made explicit
//! by parentheses. The text parses back to the same Ast, parentheses apart; `<error>` stands for error nodes.

mod code;

use super::ast::*;

/// Prints a file, one item after another.
pub fn dump(file: &File) -> String {
    let mut printer = Printer::default();
    for item in &file.items {
        printer.item(item);
        printer.out.push('\n');
    }
    printer.out
}

#[derive(Default)]
struct Printer {
    out: String,
    level: usize,
}

impl Printer {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn line(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", self.level));
    }

    /// `{`, one line for each element, `}`.
    fn braces<T>(&mut self, elements: &[T], print: fn(&mut Self, &T)) {
        self.text("{");
        self.level += 1;
        for element in elements {
            self.line();
            print(self, element);
        }
        self.level -= 1;
        self.line();
        self.text("}");
    }

    /// Elements with commas between.
    fn list<T>(&mut self, elements: &[T], print: fn(&mut Self, &T)) {
        for (i, element) in elements.iter().enumerate() {
            self.text(if i > 0 { ", " } else { "" });
            print(self, element);
        }
    }

    fn enclosed<T>(&mut self, open: &str, elements: &[T], close: &str, print: fn(&mut Self, &T)) {
        self.text(open);
        self.list(elements, print);
        self.text(close);
    }

    fn name(&mut self, name: &Name) {
        self.text(&name.text);
    }

    fn string(&mut self, string: &StringLit) {
        self.text(&format!("\"{}\"", string.text));
    }

    fn path(&mut self, path: &Path) {
        let names: Vec<&str> = path.names.iter().map(|name| &*name.text).collect();
        self.text(&names.join("."));
    }

    /// `before x`, or nothing.
    fn optional<T>(&mut self, before: &str, value: Option<&T>, print: fn(&mut Self, &T)) {
        if let Some(value) = value {
            self.text(before);
            print(self, value);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Fn(function) => self.function(function),
            Item::Let(binding) => self.binding(binding),
            Item::Use { file, names, .. } => {
                self.text("use ");
                self.string(file);
                self.enclosed(" { ", names, " }", Self::name);
            }
            Item::Block(block) => self.block_item(block),
            Item::Error(_) => self.text("<error>"),
        }
    }

    fn block_item(&mut self, item: &BlockItem) {
        self.name(&item.word);
        self.optional(" ", item.name.as_ref(), Self::name);
        if !item.params.is_empty() {
            self.enclosed("(", &item.params, ")", Self::param);
        }
        self.optional(" from ", item.from.as_ref(), Self::expr);
        self.constraints(&item.constraints);
        self.text(" ");
        self.braces(&item.members, Self::member);
    }

    fn function(&mut self, function: &std::rc::Rc<Function>) {
        self.text(if function.composite { "composite fn " } else { "fn " });
        self.name(&function.name);
        self.enclosed("(", &function.params, ")", Self::param);
        self.optional(" -> ", function.result.as_ref(), Self::ty);
        self.constraints(&function.constraints);
        self.text(" ");
        self.block(&function.body);
        self.optional(" vjp ", function.vjp.as_ref(), |p, vjp| {
            p.enclosed("(", &vjp.names, ") ", Self::name);
            p.block(&vjp.body);
        });
    }

    fn param(&mut self, param: &Param) {
        self.name(&param.name);
        self.optional(": ", param.ty.as_ref(), Self::ty);
        self.optional(" = ", param.default.as_ref(), Self::expr);
    }

    fn constraints(&mut self, constraints: &[Expr]) {
        if !constraints.is_empty() {
            self.enclosed(" where ", constraints, "", Self::expr);
        }
    }

    fn ty(&mut self, ty: &TypeExpr) {
        match &ty.kind {
            TypeKind::Named { name, shape } => {
                self.name(name);
                self.optional("", shape.as_ref(), |p, shape| p.enclosed("[", shape, "]", Self::dim));
            }
            TypeKind::List(element) => {
                self.text("[");
                self.ty(element);
                self.text("]");
            }
            TypeKind::Record(fields) => self.enclosed("(", fields, ")", |p, (name, ty)| {
                p.name(name);
                p.text(": ");
                p.ty(ty);
            }),
            TypeKind::Error => self.text("<error>"),
        }
    }

    fn dim(&mut self, dim: &DimExpr) {
        match dim {
            DimExpr::Pack(name) => {
                self.text("*");
                self.name(name);
            }
            DimExpr::Dim(expr) => self.expr(expr),
        }
    }

    fn member(&mut self, member: &Member) {
        match member {
            Member::Fn(function) => self.function(function),
            Member::Typed(member) => self.typed_member(member),
            Member::Setting(setting) => self.setting(setting),
            Member::If { cond, then, otherwise, .. } => self.if_member(cond, then, otherwise),
            Member::Each(each) => self.each(each),
            Member::Every { count, unit, members, .. } => {
                self.every(count, unit);
                self.braces(members, Self::member);
            }
            Member::Directive(directive) => self.directive(directive),
            Member::Error(_) => self.text("<error>"),
        }
    }

    fn typed_member(&mut self, member: &TypedMember) {
        if let Some(word) = &member.word {
            self.name(word);
            self.text(" ");
        }
        self.name(&member.name);
        self.text(": ");
        self.ty(&member.ty);
        self.optional(" = ", member.value.as_ref(), Self::expr);
    }

    fn setting(&mut self, setting: &Setting) {
        self.text(if setting.is_let { "let " } else { "" });
        self.name(&setting.name);
        self.optional(" for ", setting.target.as_ref(), Self::path);
        self.text(" = ");
        self.expr(&setting.value);
    }

    fn if_member(&mut self, cond: &Expr, then: &[Member], otherwise: &[Member]) {
        self.text("if ");
        self.expr(cond);
        self.text(" ");
        self.braces(then, Self::member);
        match otherwise {
            [] => {}
            [Member::If { cond, then, otherwise, .. }] => {
                self.text(" else ");
                self.if_member(cond, then, otherwise);
            }
            _ => {
                self.text(" else ");
                self.braces(otherwise, Self::member);
            }
        }
    }

    fn each(&mut self, each: &Each) {
        self.name(&each.word);
        self.optional(" ", each.title.as_ref(), Self::string);
        self.enclosed(" (", &each.fields, ")", |p, (name, value)| {
            p.name(name);
            p.optional(": ", value.as_ref(), Self::expr);
        });
        self.optional(" in ", each.source.as_ref(), Self::expr);
        self.text(" ");
        self.block(&each.body);
    }

    fn directive(&mut self, directive: &Directive) {
        self.name(&directive.word);
        for clause in &directive.clauses {
            match clause {
                Clause::Comma(_) => self.text(","),
                Clause::Expr(expr) => {
                    self.text(" ");
                    self.expr(expr);
                }
            }
        }
        if !directive.mappings.is_empty() {
            self.text(" ");
            self.braces(&directive.mappings, Self::mapping);
        }
    }

    fn mapping(&mut self, mapping: &Mapping) {
        self.map_side(&mapping.from);
        self.text(" -> ");
        self.map_side(&mapping.to);
        for option in &mapping.options {
            self.text(" ");
            self.name(&option.word);
            self.optional(" ", option.value.as_ref(), Self::expr);
        }
    }

    fn map_side(&mut self, side: &MapSide) {
        match side {
            MapSide::Word(word) => self.name(word),
            MapSide::Names(names) => match &names[..] {
                [name] => self.string(name),
                names => self.enclosed("[", names, "]", Self::string),
            },
        }
    }
}
