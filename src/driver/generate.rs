//! `nnc generate`: the ids of a prompt, the compiled graphs of a generation, and text as it comes.

use super::run::Run;
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::{Bindings, Dim};
use crate::sema::model::{Column, Data, Generation, PhaseKind, TextUnit, Train};
use crate::train::fit::phase_of;
use crate::train::generate::{self, Choice, Ended, Generated, Net, Seen, Task};
use crate::train::known::Known;
use crate::train::predict;
use crate::train::spell::Speller;
use crate::train::vocabulary::Fitted;

/// What to generate.
pub struct Request<'r> {
    pub prompt: &'r str,
    /// Tokens at most.
    pub most: usize,
    pub choice: Choice,
    /// By default that of the program.
    pub seed: Option<u64>,
}

/// A column of texts, with what turns them into ids.
struct Texts<'a> {
    data: &'a Data,
    column: &'a Column,
    unit: &'a TextUnit,
    fitted: Fitted,
}

impl Texts<'_> {
    fn encode(&self, known: &Known, text: &str) -> Result<Vec<i32>, Diagnostic> {
        let mut ids = vec![];
        let encoder = known.encoder(self.data, self.column, &self.fitted)?;
        encoder.encode(text, &mut ids).map_err(|detail| errors::not_encoded(self.column, &detail))?;
        Ok(ids)
    }
}

impl Run<'_> {
    /// Goes on with a prompt, and gives the text to `print` as it comes. The prompt is read as the first text of `step`
    /// is, what is generated is spelled as its last one. A text ends with the token that ends an empty row of that.
    ///
    /// # Errors
    /// E0819 where the model cannot generate, E0821 where `step` has no text, E0822 where the prompt is empty, E0823 where
    /// the model has no place for so many tokens.
    pub fn generate(&self, request: &Request, print: &mut dyn FnMut(&str)) -> Result<Generated, Diagnostic> {
        let generation = self.train.generation.as_ref().map_err(Diagnostic::clone)?;
        let (fitted, folder) = (self.fitted(true)?, self.program_folder());
        let known = Known::new(&fitted, &folder);
        let [read, written] = self.texts(&known)?;
        let end = known.end(written.data, written.column)?;
        let mut prompt = read.encode(&known, request.prompt)?;
        if !generation.reads && end.is_some() && prompt.last() == end.as_ref() {
            prompt.pop();
        }
        if prompt.is_empty() {
            return Err(generate::errors::no_prompt());
        }
        let mut net = self.net(generation, request.choice, prompt.len())?;
        let first = net.begin(&prompt)?;
        let seed = request.seed.unwrap_or(self.train.settings.seed);
        let follows = if first.is_some() { vec![] } else { prompt.clone() };
        let task = Task { prompt: first.map_or(prompt, |token| vec![token]), most: request.most, end, seed };
        let mut spell = |speller: Speller| carry_out(&mut net, &task, request.choice, &follows, speller, print);
        let ended = match written.unit {
            TextUnit::Tokenizer { path, .. } => {
                let (tokenizer, _) = known.tokenizer(written.data, written.column, path)?;
                spell(Speller::Tokens(tokenizer.printer()))?
            }
            unit => spell(Speller::new(unit, &written.fitted.entries))?,
        };
        Ok(Generated { ended, full: net.full })
    }

    /// The first and the last text that `step` reads.
    fn texts(&self, known: &Known) -> Result<[Texts<'_>; 2], Diagnostic> {
        let error = || errors::no_text(self.train);
        let phase = phase_of(self.train, PhaseKind::Step).ok_or_else(error)?;
        let data = self.model().data.iter().find(|d| d.name == phase.pipeline.data).ok_or_else(error)?;
        let names = predict::columns(phase, &data.name);
        let columns = names.iter().filter_map(|name| data.columns.iter().find(|c| c.name == *name));
        let texts: Vec<(&Column, &TextUnit)> = columns.filter_map(|c| Some((c, c.reading.unit()?))).collect();
        let (first, last) = texts.first().zip(texts.last()).ok_or_else(error)?;
        Ok([first, last].map(|&(column, unit)| {
            let nothing =
                Fitted { data: data.name.clone(), column: column.name.clone(), entries: vec![], tokenizer: None };
            Texts { data, column, unit, fitted: known.of(data, column).cloned().unwrap_or(nothing) }
        }))
    }

    /// Compiles the graphs for a prompt of so many tokens.
    fn net(&self, generation: &Generation, choice: Choice, length: usize) -> Result<Net, Diagnostic> {
        let rows = if let Choice::Beams(beams) = choice { beams } else { 1 };
        let symbols = |dim: &Dim, n: usize| dim.symbols().into_iter().map(move |s| (s, n as i64));
        let bindings: Bindings = symbols(&generation.batch, rows).chain(symbols(&generation.length, length)).collect();
        let compile = |graph| self.compiler.compile_generation(graph, &bindings);
        let forked = (rows > 1).then(|| compile(&generation.forked)).transpose()?;
        Ok(Net {
            start: compile(&generation.start)?,
            next: compile(&generation.next)?,
            forked,
            reads: generation.reads,
            rows,
            span: generation.span,
            seen: Seen::new(rows),
            full: None,
        })
    }
}

/// Generates, and spells what comes; `follows` are the tokens before it in the same text.
fn carry_out(
    net: &mut Net,
    task: &Task,
    choice: Choice,
    follows: &[i32],
    mut speller: Speller,
    print: &mut dyn FnMut(&str),
) -> Result<Ended, Diagnostic> {
    for id in follows {
        speller.next(*id);
    }
    let ended = match choice {
        Choice::Sample { temperature, best, mass } => {
            generate::sample(net, task, (temperature, best, mass), &mut |id| print(&speller.next(id)))?
        }
        Choice::Beams(_) => {
            let (tokens, ended) = generate::beams(net, task)?;
            tokens.into_iter().for_each(|id| print(&speller.next(id)));
            ended
        }
    };
    print(&speller.finish());
    Ok(ended)
}

mod errors {
    use super::*;

    pub fn no_text(train: &Train) -> Diagnostic {
        Diagnostic::error(Code(821), "`step` reads no text").label(
            train.span,
            "a prompt is read as the first text of `step`, and what is generated spelled as its last",
        )
    }

    pub fn not_encoded(column: &Column, detail: &str) -> Diagnostic {
        Diagnostic::error(Code(822), format!("the prompt cannot be read: {detail}"))
            .label(column.span, "by this conversion")
    }
}
