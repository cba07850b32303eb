export * from '../errors/documented.js'
