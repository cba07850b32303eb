import diagnosticsChannel from 'node:diagnostics_channel'
import net from 'node:net'
import { TLSSocket } from 'node:tls'
import t from 'tap'
import { ProxyAgent } from '../../lib/index.js'
import { authority, serverIdentity } from '../servers/certificates.js'
import { Listener } from '../servers/listener.js'
import { httpOrigin } from '../servers/origin.js'
import { proxyServer } from '../servers/proxy.js'

interface Connected {
  socket: net.Socket
  connectParams: { headers: Record<string, string> }
}

const channel = 'undici:proxy:connected'

t.test('an established tunnel is published between the two connections', async (t) => {
  const ca = await authority()
  const identity = await serverIdentity(ca)
  const origin = await httpOrigin((_request, reply) => reply.end('ok'))
  for (const tls of [undefined, identity]) {
    const proxy = await proxyServer(tls === undefined ? {} : { tls })
    const uri = tls === undefined ? proxy.url : `https://localhost:${proxy.port}`
    const agent = new ProxyAgent({
      uri,
      proxyTunnel: true,
      token: 'Basic abc',
      headers: { 'x-mine': 'yes' },
      proxyTls: { ca: ca.cert },
    })
    const order: string[] = []
    const messages: Connected[] = []
    const onConnected = (message: unknown) => {
      order.push('proxy:connected')
      messages.push(message as Connected)
    }
    diagnosticsChannel.subscribe(channel, onConnected)
    const listener = new Listener(({ channel, message }) => {
      if (channel === 'client:connected') order.push(`client:connected ${message.connectParams.host}`)
    })
    const { body } = await agent.request({ origin: origin.url, path: '/', method: 'GET' })
    t.equal(await body.text(), 'ok')
    listener.close()
    diagnosticsChannel.unsubscribe(channel, onConnected)
    const target = `127.0.0.1:${origin.port}`
    t.strictSame(order, [`client:connected ${new URL(uri).host}`, 'proxy:connected', `client:connected ${target}`])
    const [{ socket, connectParams }] = messages as [Connected]
    t.type(socket, tls === undefined ? net.Socket : TLSSocket)
    t.match(connectParams, {
      origin: uri,
      port: String(proxy.port),
      path: target,
      signal: undefined,
      servername: tls === undefined ? undefined : 'localhost',
    })
    t.match(connectParams.headers, { host: target, 'proxy-authorization': 'Basic abc', 'x-mine': 'yes' })
    await agent.close()
    await proxy.close()
  }
  await origin.close()
})

t.test('a refused tunnel is not published, and a subscriber may destroy the agent', async (t) => {
  const origin = await httpOrigin((_request, reply) => reply.end('ok'))
  const refusing = await proxyServer({ authorization: 'Basic other' })
  const opening = await proxyServer()
  const options = { origin: origin.url, path: '/', method: 'GET' }
  let messageCount = 0
  let ended: ProxyAgent | null = null
  const onConnected = () => {
    messageCount++
    void ended?.destroy(new Error('ended'))
  }
  diagnosticsChannel.subscribe(channel, onConnected)
  const refused = new ProxyAgent({ uri: refusing.url, proxyTunnel: true })
  await t.rejects(refused.request(options))
  t.equal(messageCount, 0)
  ended = new ProxyAgent({ uri: opening.url, proxyTunnel: true })
  await t.rejects(ended.request(options), { message: 'ended' })
  t.equal(messageCount, 1)
  diagnosticsChannel.unsubscribe(channel, onConnected)
  await ended.destroy()
  await refused.close()
  await refusing.close()
  await opening.close()
  await origin.close()
})
