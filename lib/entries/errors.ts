export * from '../errors/public.js'
