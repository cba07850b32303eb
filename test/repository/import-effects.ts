import { execFileSync } from 'node:child_process'

/** Program that imports a module and prints what changed; runs in its own process. */
const WATCH = `
  const effects = []
  const watch = (holder, name, what) => {
    const original = holder[name]
    holder[name] = new Proxy(original, {
      apply(...call) { effects.push(what); return Reflect.apply(...call) },
      construct(...call) { effects.push(what); return Reflect.construct(...call) },
    })
  }
  for (const name of ['Module', 'Instance', 'Memory', 'compile', 'instantiate', 'compileStreaming', 'instantiateStreaming']) {
    watch(WebAssembly, name, 'WebAssembly.' + name)
  }
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch']) watch(globalThis, name, name)
  const { default: net } = await import('node:net')
  watch(net.Socket.prototype, 'connect', 'connect')
  watch(net.Server.prototype, 'listen', 'listen')
  const globals = () => Reflect.ownKeys(globalThis).map(String)
  const listeners = () => process.eventNames().flatMap((name) => process.listeners(name).map(() => String(name)))
  const resources = () => process.getActiveResourcesInfo().filter((name) => !/^(FSReq|Close)/.test(name))
  const before = { globals: globals(), listeners: listeners(), resources: resources() }
  await import(process.argv[1])
  const added = (now, then) => {
    const rest = [...then]
    return now.filter((name) => rest.includes(name) ? rest.splice(rest.indexOf(name), 1).length === 0 : true)
  }
  for (const name of added(globals(), before.globals)) effects.push('global ' + name)
  for (const name of added(listeners(), before.listeners)) effects.push('listener ' + name)
  for (const name of added(resources(), before.resources)) effects.push('resource ' + name)
  process.stdout.write(JSON.stringify(effects), () => process.exit())
`

/** Returns the side effects of an import: globals, listeners, handles, timers, sockets, WebAssembly. */
export function importEffects(url: string): string[] {
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', WATCH, url], { encoding: 'utf8' })
  return JSON.parse(output)
}
