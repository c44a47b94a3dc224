// Judge FHIR resources by two validators that know nothing of this product, with HL7's own definitions; how each value is
// written, and required codes, are held against the definitions themselves, which the two do in part only.
//
// usage: node fhir_judges.mjs FOLDER < RESOURCES > COMPLAINTS
// FOLDER: holds node_modules. RESOURCES: a line each, {"version": "R4" | "R5", "resource": {...}}.
// COMPLAINTS: a line each, {"line", "judge", "text"}; at its end {"judged": n}.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

globalThis.WebSocket ??= class extends EventTarget {};
const modules = path.join(process.argv[2], "node_modules");
const require = createRequire(path.join(process.argv[2], "here.js"));
const { Fhir, ParseConformance, Versions } = require("fhir");
// Each version's definitions need a validator of their own: one loaded as a module, one as a script.
const core = path.join(modules, "@medplum", "core", "dist");
const medplum = {
  R4: await import(pathToFileURL(path.join(core, "esm", "index.mjs"))),
  R5: require("@medplum/core"),
};

function definitions(name, ...kinds) {
  const folder = path.join(modules, name);
  return fs
    .readdirSync(folder)
    .filter((file) => kinds.some((kind) => file.startsWith(`${kind}-`)))
    .map((file) => JSON.parse(fs.readFileSync(path.join(folder, file))));
}

function types(name) {
  // A base type's name has no hyphen; what has one is a profile or an extension.
  const folder = path.join(modules, name);
  return fs
    .readdirSync(folder)
    .filter((file) => /^StructureDefinition-[A-Za-z0-9]+\.json$/.test(file))
    .map((file) => JSON.parse(fs.readFileSync(path.join(folder, file))))
    .filter((one) => one.derivation !== "constraint" && one.kind !== "logical" && one.snapshot);
}

const r4Types = types("hl7.fhir.r4b.core");
const r5Types = types("hl7.fhir.r5.core");
medplum.R4.indexStructureDefinitionBundle(r4Types);
medplum.R5.indexStructureDefinitionBundle(r5Types);
const parsed = new ParseConformance(false, Versions.R5);
const bundle = (resources) => ({ resourceType: "Bundle", entry: resources.map((resource) => ({ resource })) });
const r5Codes = definitions("hl7.fhir.r5.core", "ValueSet", "CodeSystem");
parsed.parseBundle(bundle(r5Codes));
parsed.parseBundle(bundle(r5Types));
const fhir = { R4: new Fhir(), R5: new Fhir(parsed) };

function byMedplum(version, resource) {
  try {
    medplum[version].validateResource(resource);
    return [];
  } catch (fault) {
    const issues = fault.outcome?.issue ?? [{ severity: "error", details: { text: String(fault) } }];
    return issues
      .filter((issue) => ["error", "fatal"].includes(issue.severity))
      .map((issue) => `${issue.expression?.[0] ?? resource.resourceType}: ${issue.details?.text}`);
  }
}

function byFhir(version, resource) {
  const { messages } = fhir[version].validate(resource);
  return messages
    .filter((message) => ["error", "fatal"].includes(message.severity))
    .map((message) => `${message.location ?? resource.resourceType}: ${message.message}`);
}

// How a value must be written stands in the definitions as a regular expression for each primitive type.
const REGEX = "http://hl7.org/fhir/StructureDefinition/regex";
const FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";

function forms(definitions) {
  const found = { elements: new Map(), regexes: new Map() };
  for (const one of definitions) {
    for (const element of one.snapshot.element) {
      found.elements.set(element.path, element);
      const regex = element.type?.[0]?.extension?.find((each) => each.url === REGEX)?.valueString;
      if (one.kind === "primitive-type" && regex) {
        found.regexes.set(one.type, new RegExp(`^(?:${regex})$`));
      }
    }
  }
  return found;
}

const written = { R4: forms(r4Types), R5: forms(r5Types) };

function elementOf(elements, at, name) {
  const direct = elements.get(`${at}.${name}`);
  if (direct?.contentReference) {
    const target = direct.contentReference.split("#")[1];
    return { next: target, type: "BackboneElement" };
  }
  if (direct) {
    const type = direct.type?.[0];
    return { next: `${at}.${name}`, binding: direct.binding, type: type?.extension?.find((each) => each.url === FHIR_TYPE)?.valueUrl ?? type?.code };
  }
  for (let length = name.length - 1; length > 0; length -= 1) {
    const type = elements
      .get(`${at}.${name.slice(0, length)}[x]`)
      ?.type.find((each) => each.code.toLowerCase() === name.slice(length).toLowerCase())?.code;
    if (type) {
      return { next: type, type };
    }
  }
  return null;
}

// The codes that an element must have one of; null where the definitions do not list them.
const byUrl = {
  R4: new Map(definitions("hl7.fhir.r4b.core", "ValueSet", "CodeSystem").map((one) => [one.url, one])),
  R5: new Map(r5Codes.map((one) => [one.url, one])),
};
const expansions = new Map();

function codesOf(version, url) {
  const canonical = url.split("|")[0];
  const key = `${version} ${canonical}`;
  if (!expansions.has(key)) {
    expansions.set(key, expanded(version, byUrl[version].get(canonical)));
  }
  return expansions.get(key);
}

function expanded(version, set) {
  const codes = new Set();
  for (const part of set?.compose?.include ?? [null]) {
    const system = part?.system && !part.filter ? byUrl[version].get(part.system) : null;
    const listed = part?.concept ?? (system?.content === "complete" ? system.concept : null);
    if (!listed || part.valueSet) {
      return null;
    }
    add(codes, listed);
  }
  return codes;
}

function add(codes, concepts) {
  for (const concept of concepts) {
    codes.add(concept.code);
    add(codes, concept.concept ?? []);
  }
}

function misnamed(version, element, value) {
  const binding = element.binding?.strength === "required" ? element.binding.valueSet : null;
  const codes = binding ? codesOf(version, binding) : null;
  return codes && typeof value === "string" && !codes.has(value) ? [`not a code of ${binding}`] : [];
}

function misformed(version, at, value, where) {
  const { elements, regexes } = written[version];
  return Object.entries(value).flatMap(([name, held]) => {
    const element = name === "resourceType" || name.startsWith("_") ? null : elementOf(elements, at, name);
    if (!element) {
      return [];
    }
    const inline = ["BackboneElement", "Element"].includes(element.type);
    return (Array.isArray(held) ? held : [held]).flatMap((one) => {
      const here = `${where}.${name}`;
      if (one !== null && typeof one === "object") {
        if (Object.keys(one).length === 0) {
          return [`${here}: empty`];
        }
        return misformed(version, one.resourceType ?? (inline ? element.next : element.type), one, here);
      }
      const regex = regexes.get(element.type);
      const faults = regex && !regex.test(String(one)) ? [`not written as ${element.type}`] : [];
      return [...faults, ...misnamed(version, element, one)].map((fault) => `${here}: ${fault}`);
    });
  });
}

function byDefinition(version, resource) {
  return misformed(version, resource.resourceType, resource, resource.resourceType);
}

const JUDGES = [["@medplum/core", byMedplum], ["fhir", byFhir], ["definitions", byDefinition]];
let judged = 0;
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { version, resource } = JSON.parse(line);
  for (const [judge, judging] of JUDGES) {
    for (const text of judging(version, resource)) {
      console.log(JSON.stringify({ line: judged, judge, text }));
    }
  }
  judged += 1;
}
console.log(JSON.stringify({ judged }));
