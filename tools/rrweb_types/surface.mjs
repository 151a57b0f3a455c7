// Walks rrweb's published TypeScript types and prints, as JSON, its enums and every field that an event can have.
//   npm install && npm run surface
import { readFileSync } from 'node:fs';
import ts from 'typescript';

const TYPES = 'node_modules/@rrweb/types/dist/index.d.ts';
const CONSOLE = 'node_modules/@rrweb/rrweb-plugin-console-record/dist/index.d.ts';
const ENUMS = ['EventType', 'IncrementalSource', 'MouseInteractions', 'PointerTypes', 'MediaInteractions', 'CanvasContext', 'NodeType'];

const program = ts.createProgram([TYPES, CONSOLE], { strict: true, skipLibCheck: true, lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'] });
const checker = program.getTypeChecker();
const exportsOf = (file) => checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
const exported = new Map(exportsOf(TYPES).map((symbol) => [symbol.name, symbol]));
const typeOf = (name) => checker.getDeclaredTypeOfSymbol(exported.get(name));

const enums = Object.fromEntries(ENUMS.map((name) => {
  const members = exported.get(name).valueDeclaration.members;
  return [name, Object.fromEntries(members.map((m) => [m.name.text, checker.getConstantValue(m)]))];
}));
const memberName = (enumName, value) => Object.entries(enums[enumName]).find(([, v]) => v === value)[0];

// Taken as one field each: bytes, drawing arguments and font descriptors, in many shapes.
const OPAQUE = new Set(['Asset.data.payload', 'CanvasMutation.args', 'CanvasMutation.commands[].args', 'Font.descriptors']);

const fields = new Set();
const isPlain = (type) => !(type.flags & (ts.TypeFlags.Object | ts.TypeFlags.UnionOrIntersection));
const isForeign = (type) => {
  const declarations = type.symbol?.declarations ?? [];
  return declarations.length > 0 && declarations.every((d) => d.getSourceFile().fileName.includes('/lib.'));
};

function walk(type, path, open = []) {
  if (OPAQUE.has(path)) return void fields.add(path);
  if (type.isUnion()) {
    const parts = type.types.filter((part) => !isPlain(part));
    const isText = type.types.some((part) => part.flags & (ts.TypeFlags.StringLike | ts.TypeFlags.NumberLike));
    if (parts.length === 0 || isText) fields.add(path);
    return parts.forEach((part) => walk(part, path, open));
  }
  const isNode = type.aliasSymbol?.name === 'serializedNodeWithId' || (type.getProperty('id') && type.getProperty('type') && type.getProperty('isShadow'));
  if (isNode && path !== 'node') return void fields.add(path);
  if (isPlain(type) || type.getCallSignatures().length) return void fields.add(path);
  if (open.includes(type)) return void fields.add(path);
  if (checker.isArrayType(type)) return walk(checker.getTypeArguments(type)[0], `${path}[]`, [...open, type]);
  if (checker.isTupleType(type)) return void fields.add(path);
  if (isForeign(type) && !type.isIntersection()) return void fields.add(path);
  const properties = checker.getPropertiesOfType(type);
  const other = type.getStringIndexType();
  if (properties.length === 0 && !other) return void fields.add(path);
  for (const property of properties) walk(checker.getTypeOfSymbol(property), `${path}.${property.name}`, [...open, type]);
  if (other) walk(other, `${path}.*`, [...open, type]);
}

const members = (type) => (type.isUnion() ? type.types : [type]);
const valueOf = (type, name) => members(checker.getTypeOfSymbol(type.getProperty(name))).map((t) => t.value);
const rest = (type, skipped, path) => {
  for (const property of checker.getPropertiesOfType(type)) {
    if (!skipped.includes(property.name)) walk(checker.getTypeOfSymbol(property), `${path}.${property.name}`);
  }
};

for (const event of members(typeOf('eventWithoutTime'))) {
  const [kind] = valueOf(event, 'type');
  if (kind !== enums.EventType.IncrementalSnapshot) rest(event, ['type'], memberName('EventType', kind));
}
for (const data of members(typeOf('incrementalData'))) {
  for (const source of valueOf(data, 'source')) rest(data, ['source'], memberName('IncrementalSource', source));
}
for (const node of members(typeOf('serializedNodeWithId'))) {
  const [kind] = valueOf(node, 'type');
  rest(node, ['type'], `node ${memberName('NodeType', kind)}`);
}
rest(typeOf('mediaAttributes'), [], 'attribute');
rest(typeOf('eventWithTime').types[0], ['type', 'data'], 'event');
rest(typeOf('NetworkData'), [], 'plugin network');
const logData = exportsOf(CONSOLE).find((symbol) => symbol.name === 'LogData');
rest(checker.getDeclaredTypeOfSymbol(logData), [], 'plugin console');

const { version } = JSON.parse(readFileSync('node_modules/@rrweb/types/package.json'));
console.log(JSON.stringify({ version, enums, fields: [...fields].sort() }, null, 1));
