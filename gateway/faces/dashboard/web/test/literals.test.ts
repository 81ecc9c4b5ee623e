/// <reference types="vite/client" />
import ts from 'typescript';
import { expect, test } from 'vitest';

/** Attributes that people see or hear. */
const READ = new Set(['title', 'label', 'aria-label', 'placeholder', 'alt', 'caption', 'head']);
const files = import.meta.glob<string>('../src/**/*.tsx', { eager: true, query: '?raw', import: 'default' });

/** Whether a text has words. Abbreviations in capitals, such as GET, are the same in all languages. */
const hasWords = (text: string) => /[\p{Ll}\p{Lo}]/u.test(text);

/** Texts of a component that stand in no catalogue. */
function literals(file: string, source: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node) && hasWords(node.text)) found.push(node.text.trim());
    if (ts.isJsxExpression(node) && node.expression && ts.isStringLiteralLike(node.expression) && !ts.isJsxAttribute(node.parent)) {
      if (hasWords(node.expression.text)) found.push(node.expression.text);
    }
    if (ts.isJsxAttribute(node) && READ.has(node.name.getText()) && node.initializer && ts.isStringLiteral(node.initializer)) found.push(node.initializer.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX));
  return found;
}

test.each(Object.entries(files))('%s has no text of its own', (file, source) => {
  expect(literals(file, source)).toEqual([]);
});

test('a text in a component is found', () => {
  expect(literals('x.tsx', 'const a = <p title="Why">Hello <b>{"you"}</b> {text("key")} · 1</p>;')).toEqual(['Why', 'Hello', 'you']);
});

test.each(Object.entries(files))('%s makes no markup and no inline style of a text', (_, source) => {
  expect(source).not.toMatch(/dangerouslySetInnerHTML|innerHTML|insertAdjacentHTML|\bstyle="/);
});
