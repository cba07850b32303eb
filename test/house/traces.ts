import { execFileSync } from 'node:child_process'

/** Runs in a process of its own, so that nothing else leaves a trace. */
const WATCH = `
  const traces = []
  const watch = (holder, name, what) => {
    const original = holder[name]
    holder[name] = new Proxy(original, {
      apply(...call) { traces.push(what); return Reflect.apply(...call) },
      construct(...call) { traces.push(what); return Reflect.construct(...call) },
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
  for (const name of added(globals(), before.globals)) traces.push('global ' + name)
  for (const name of added(listeners(), before.listeners)) traces.push('listener ' + name)
  for (const name of added(resources(), before.resources)) traces.push('resource ' + name)
  process.stdout.write(JSON.stringify(traces), () => process.exit())
`

/** What importing a module leaves behind or sets off: globals, listeners, handles, timers, sockets, WebAssembly. */
export function tracesOf(url: string): string[] {
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', WATCH, url], { encoding: 'utf8' })
  return JSON.parse(said)
}
