import { tellHistory } from "./domain/testing/history.ts";
import { ATTEMPT_STATES } from "./domain/attempt.ts";
const s = Number(process.argv[2]);
const H: any = await import("./domain/testing/history.ts");
try { console.log(tellHistory(s)); } catch (e) { console.log((e as Error).stack); }
